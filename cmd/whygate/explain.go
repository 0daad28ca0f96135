package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/explain"
	"github.com/whygate/whygate/internal/term"
)

// explainFlags are the flags of explain.
type explainFlags struct {
	follow       bool
	since        string
	format       string
	accessFormat string
	json         bool
	each         bool
	html         string
}

func (w *world) explainCommand() *cobra.Command {
	var flags explainFlags
	cmd := &cobra.Command{
		Use:   "explain [FILE...|-]",
		Short: "Read the logs of any proxy, and say which causes are at work",
		Long: `Read the logs of nginx, HAProxy, Envoy, Apache and other proxies, balancers and CDNs, of application servers and of the
kernel, and say in order of weight which causes are at work, what proves it and what to do.

Files may be plain, gzip, bzip2 or zstd; without a file, or with -, standard input is read. Formats are recognised line by line,
also behind syslog, journald, docker, CRI and kubectl prefixes. Give the error log and the access log, and the
application's log too: lines of one request are joined, and what happened at the same time is said.

Exit codes: 0 nothing failed, 1 faults were found, or a known proxy's errors that nobody can judge, 2 wrong use or nothing could
be read.`,
		Example: `  whygate explain /var/log/nginx/error.log /var/log/nginx/access.log
  journalctl -u haproxy -u app | whygate explain
  kubectl logs deploy/ingress-nginx-controller | whygate explain --since 1h
  whygate explain --access-format '%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %tsc' haproxy.log`,
		RunE: func(cmd *cobra.Command, args []string) error { return w.explain(cmd.Context(), args, &flags) },
	}
	f := cmd.Flags()
	f.BoolVarP(&flags.follow, "follow", "f", false, "go on reading what is appended, through rotation")
	f.StringVar(&flags.since, "since", "", "only the last so long, or since then: 30m, 2d, 1d12h, 03:00, '2026-11-22 03:00'")
	f.StringVar(&flags.format, "format", "", "take every line for this format (--format list shows them)")
	f.StringVar(&flags.accessFormat, "access-format", "", "an nginx log_format, HAProxy log-format or Envoy format string, as in the configuration")
	f.BoolVar(&flags.json, "json", false, "print JSON")
	f.BoolVar(&flags.each, "each", false, "print one JSON object for each line read")
	f.StringVar(&flags.html, "html", "", "write a page with a timeline to this file")
	return cmd
}

// explain runs the command.
func (w *world) explain(ctx context.Context, args []string, flags *explainFlags) error {
	if flags.format == "list" {
		return w.listFormats()
	}
	options, err := w.explainOptions(args, flags)
	if err != nil {
		return err
	}
	if flags.html != "" {
		if err := reportWritable(flags.html); err != nil {
			return err
		}
	}
	out := bufio.NewWriterSize(w.stdout, 64<<10)
	if flags.each {
		options.Each = out
	}
	if flags.follow {
		w.followTo(options, flags)
	}
	progress := term.NewProgress(w.stderr, "reading", sizeOf(args))
	if !flags.follow {
		options.Progress = progress.Add
	}
	report, err := explain.Explain(ctx, *options)
	progress.Done()
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err != nil {
		return w.explainFailed(err, flags)
	}
	w.warnOfFiles(report)
	if flags.html != "" {
		if err := writePage(flags.html, report); err != nil {
			return err
		}
	}
	switch {
	case flags.each || flags.follow:
		return nil
	case flags.json:
		if err := printJSON(w.stdout, report); err != nil {
			return err
		}
	default:
		printReport(w.stdout, term.New(w.stdout), report)
	}
	switch {
	case !report.Understood():
		return status(exitUsage)
	case report.Faults > 0 || report.OpenErrors() > 0:
		return status(exitFault)
	}
	return nil
}

// explainFailed turns an interrupted follow into a good end, and gives other errors a hint.
func (w *world) explainFailed(err error, flags *explainFlags) error {
	switch {
	case flags.follow && errors.Is(err, context.Canceled):
		return nil
	case errors.Is(err, context.Canceled):
		return status(exitInterrupted)
	case errors.Is(err, os.ErrPermission):
		return withHint(err, "sudo whygate explain ...")
	case errors.Is(err, os.ErrNotExist):
		return withHint(err, "whygate explain /var/log/nginx/error.log\njournalctl -u nginx | whygate explain")
	}
	return err
}

// explainOptions checks the flags and opens what is to be read.
func (w *world) explainOptions(args []string, flags *explainFlags) (*explain.Options, error) {
	o := &explain.Options{Now: time.Now(), Follow: flags.follow}
	var err error
	if o.Since, err = parseSince(flags.since, o.Now); err != nil {
		return nil, withHint(err, sinceHint)
	}
	switch {
	case flags.format != "" && flags.accessFormat != "":
		return nil, withHint(errors.New("--format and --access-format exclude each other"), "whygate explain --access-format '...' FILE")
	case flags.each && (flags.json || flags.html != ""):
		return nil, withHint(errors.New("--each prints lines, not a report"), "whygate explain --each FILE\nwhygate explain --json FILE")
	}
	if flags.format != "" {
		f, err := formatNamed(flags.format)
		if err != nil {
			return nil, err
		}
		o.Formats = []*explain.Format{f}
	}
	if flags.accessFormat != "" {
		f, err := explain.Compile(flags.accessFormat)
		if err != nil {
			return nil, withHint(fmt.Errorf("--access-format: %w", err), "write it as it stands in the configuration, in single quotes")
		}
		o.Formats = append([]*explain.Format{f}, explain.Formats()...)
	}
	sources, err := w.explainSources(args)
	o.Sources = sources
	return o, err
}

// explainSources finds the files. Patterns that the shell left alone are matched here.
func (w *world) explainSources(args []string) ([]explain.Source, error) {
	if len(args) == 0 {
		if f, ok := w.stdin.(*os.File); ok && term.IsTerminal(f) {
			return nil, withHint(errors.New("no file given, and nothing comes in on standard input"),
				"whygate explain /var/log/nginx/error.log\njournalctl -u nginx | whygate explain")
		}
		args = []string{"-"}
	}
	var sources []explain.Source
	for _, arg := range args {
		if arg == "-" {
			sources = append(sources, explain.StreamSource("-", w.stdin))
			continue
		}
		info, err := os.Stat(arg)
		switch {
		case err != nil && strings.ContainsAny(arg, "*?["):
			found, err := w.matching(arg)
			if err != nil {
				return nil, err
			}
			sources = append(sources, found...)
		case err != nil:
			return nil, w.explainFailed(err, &explainFlags{})
		case info.IsDir():
			return nil, withHint(fmt.Errorf("%s is a directory", term.Clean(arg)), fmt.Sprintf("whygate explain '%s'", term.Clean(filepath.Join(arg, "*"))))
		default: // a named pipe as well, since it was asked for by its name
			sources = append(sources, explain.FileSource(arg))
		}
	}
	return sources, nil
}

// matching finds the files of a pattern. What is no file was not meant: a directory among the logs, or a named pipe, on which
// one would wait for ever.
func (w *world) matching(pattern string) ([]explain.Source, error) {
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		return nil, withHint(fmt.Errorf("%s: no such file", pattern), "ls "+filepath.Dir(pattern))
	}
	var sources []explain.Source
	for _, path := range found {
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			fmt.Fprintf(w.stderr, "whygate: %s: not a regular file, left out\n", term.Clean(path))
			continue
		}
		sources = append(sources, explain.FileSource(path))
	}
	if len(sources) == 0 {
		return nil, withHint(fmt.Errorf("%s: no regular file among these", pattern), "ls -l "+filepath.Dir(pattern))
	}
	return sources, nil
}

// sizeOf gives the octets of the files, 0 where that is not known.
func sizeOf(args []string) int64 {
	var sum int64
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil || !info.Mode().IsRegular() || strings.HasSuffix(arg, ".gz") || strings.HasSuffix(arg, ".zst") {
			return 0
		}
		sum += info.Size()
	}
	return sum
}

// warnOfFiles says on standard error which files could not be read to their end.
func (w *world) warnOfFiles(r *explain.Report) {
	for _, f := range r.Files {
		if err := f.Err(); err != nil {
			fmt.Fprintf(w.stderr, "whygate: %s\n", term.Clean(err.Error()))
		}
	}
}

// formatNamed finds a format, and names the nearest where there is none.
func formatNamed(name string) (*explain.Format, error) {
	for _, f := range explain.Formats() {
		if f.Name == name {
			return f, nil
		}
	}
	var near []string
	for _, f := range explain.Formats() {
		if strings.Contains(f.Name, name) || strings.Contains(name, f.Product) {
			near = append(near, f.Name)
		}
	}
	hint := "whygate explain --format list"
	if len(near) > 0 {
		hint = "did you mean " + strings.Join(near, ", ") + "?\n" + hint
	}
	return nil, withHint(fmt.Errorf("no format is called %q", name), hint)
}

// listFormats prints the formats with what they tell.
func (w *world) listFormats() error {
	all := slices.Clone(explain.Formats())
	slices.SortFunc(all, func(a, b *explain.Format) int { return strings.Compare(a.Name, b.Name) })
	style := term.New(w.stdout)
	for _, f := range all {
		fmt.Fprintf(w.stdout, "%s  %s\n%s\n", style.Cyan(f.Name), f.Title, term.Wrap(f.Gives, style.ReadingWidth(), "    "))
	}
	return nil
}
