package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/lab"
	"github.com/whygate/whygate/internal/term"
)

func (w *world) labCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab COMMAND",
		Short: "Faulty upstreams on demand, for any proxy",
		Long: `Play every fault that an upstream can have, put any proxy in front of it, and see what it makes of it.

Nothing is sent outside loopback and, for root on Linux, network namespaces that go with the process.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(w.labListCommand(), w.labShowCommand(), w.labServeCommand(), w.labConfigCommand(), w.labScoreCommand())
	return cmd
}

// scenarios finds the scenarios of the globs; an error has a hint.
func scenarios(globs []string) ([]*lab.Scenario, error) {
	found, err := lab.Find(globs...)
	if err != nil {
		for _, g := range globs { // one of them matches nothing: the first that does not
			if one, _ := lab.Find(g); len(one) == 0 {
				return nil, withHint(err, nearScenarios("whygate lab list ", g))
			}
		}
		return nil, withHint(err, "whygate lab list")
	}
	return found, nil
}

// nearScenarios are hints with the scenarios and groups whose names are most like a text, and with the list of all.
func nearScenarios(command, text string) string {
	var names []string
	for _, s := range lab.All() {
		if group := s.Group.String(); strings.HasSuffix(command, "list ") && !slices.Contains(names, group) {
			names = append(names, group)
		}
		names = append(names, s.Name)
	}
	var hints strings.Builder
	for _, name := range nearestOf(names, text) {
		hints.WriteString(command + name + "\n")
	}
	return hints.String() + "whygate lab list"
}

// listedScenario is a scenario in JSON.
type listedScenario struct {
	Name    string   `json:"name"`
	Group   string   `json:"group"`
	Does    string   `json:"does"`
	Row     string   `json:"row,omitempty"`
	Why     string   `json:"why"`
	Scheme  string   `json:"scheme"`
	Status  []int    `json:"status"`
	Types   []string `json:"types,omitempty"`
	Causes  []string `json:"causes,omitempty"`
	Cut     bool     `json:"cut,omitempty"`
	Network bool     `json:"network,omitempty"`
}

func listed(s *lab.Scenario) listedScenario {
	l := listedScenario{
		Name: s.Name, Group: s.Group.String(), Does: s.Does, Row: s.Row, Why: s.Why, Scheme: s.At.URLScheme(),
		Status: s.Want.Status, Cut: s.Want.Cut, Network: s.At.Network(),
	}
	for _, t := range s.Want.Types {
		l.Types = append(l.Types, t.String())
	}
	for _, c := range s.Want.Cause {
		l.Causes = append(l.Causes, c.String())
	}
	return l
}

func (w *world) labListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [GLOB...]",
		Short: "List the scenarios",
		Long: `List the scenarios, one a line: name, group, what the upstream does. A glob is a name with * and ?, or a group's name.

With --json, the answer is an object whose "scenarios" has one object for each.`,
		Example: "  whygate lab list\n  whygate lab list tls\n  whygate lab list 'body-*' --json",
		RunE: func(_ *cobra.Command, globs []string) error {
			found, err := scenarios(globs)
			if err != nil {
				return err
			}
			if asJSON {
				all := make([]listedScenario, len(found))
				for i, s := range found {
					all[i] = listed(s)
				}
				return printJSON(w.stdout, map[string]any{"scenarios": all})
			}
			for _, s := range found {
				fmt.Fprintln(w.stdout, w.labLine(s))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// labLine is a scenario in the list: one line, for grep, or on a terminal as many as its width asks for.
func (w *world) labLine(s *lab.Scenario) string {
	note := ""
	if s.At.Network() {
		note = " (in namespaces, as root)"
	}
	style := term.New(w.stdout)
	first, columns := fmt.Sprintf("%s%*s %-12s ", style.Cyan(s.Name), max(26-len(s.Name), 0), "", s.Group), 40
	if !term.IsTerminal(w.stdout) {
		return first + s.Does + note
	}
	if style.Width() < columns+titleLeast {
		columns = 6
		first = strings.TrimRight(first, " ") + "\n" + strings.Repeat(" ", columns)
	}
	return term.Hang(s.Does+note, style.Width(), first, strings.Repeat(" ", columns))
}

func (w *world) labShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show a scenario: the bytes, the timing, what is right and why",
		Example: "  whygate lab show body-short",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s := lab.Get(args[0])
			if s == nil {
				return withHint(fmt.Errorf("no scenario is called %q", args[0]), nearScenarios("whygate lab show ", args[0]))
			}
			if asJSON {
				return printJSON(w.stdout, struct {
					listedScenario
					Script string `json:"script"`
					Asked  string `json:"asked"`
				}{listed(s), s.Plays.Text(), s.Ask.Text(s.Name)})
			}
			fmt.Fprint(w.stdout, s.Text())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// labDir is the directory of the lab's certificates.
func labDir(dir string) (string, error) {
	if dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := lab.DefaultDir()
	if err != nil {
		return "", withHint(err, "whygate lab ... --dir DIRECTORY")
	}
	return dir, nil
}

// baseInRange checks a base port: each scenario has the port of its number after it.
func baseInRange(base int) error {
	if base < 1 || base > lab.BaseMax() {
		return withHint(fmt.Errorf("--base-port %d: the ports of all scenarios follow it, so that it is 1 to %d", base, lab.BaseMax()), fmt.Sprintf("--base-port %d", lab.DefaultBase))
	}
	return nil
}

// special are the characters that mean something in one proxy's configuration or another's.
const special = " \t\r\n;{}\"'`$#\\"

// writable checks that a value can stand in every proxy's configuration as it is.
func writable(flag, value string) error {
	if at := strings.IndexAny(value, special); at >= 0 {
		return withHint(fmt.Errorf("%s %q: %q means something in the configurations of proxies", flag, value, value[at]), "choose another with "+flag)
	}
	return nil
}

// untilHangup ends the context when the terminal goes as well. Only the commands of the lab do that: a gateway reloads on
// SIGHUP. One that is ignored, as nohup has it, stays ignored.
func untilHangup(ctx context.Context) (context.Context, context.CancelFunc) {
	if signal.Ignored(syscall.SIGHUP) {
		return context.WithCancel(ctx)
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}

func (w *world) labServeCommand() *cobra.Command {
	var base int
	var dir string
	cmd := &cobra.Command{
		Use:   "serve [GLOB...]",
		Short: "Serve every scenario on a port of its own",
		Long: `Serve the scenarios on loopback, each on its own port, and an index on the base port: there, /NAME/... plays the scenario
of that name, so that one line of any proxy's configuration suffices. A line is printed for each request.`,
		Example: "  whygate lab serve\n  curl -i http://127.0.0.1:25000/body-short/",
		RunE: func(cmd *cobra.Command, globs []string) error {
			ctx, stop := untilHangup(cmd.Context())
			defer stop()
			found, err := scenarios(globs)
			if err != nil {
				return err
			}
			if err := baseInRange(base); err != nil {
				return err
			}
			if dir, err = labDir(dir); err != nil {
				return err
			}
			style := term.New(w.stdout)
			var mu sync.Mutex // one line at a time
			hit := func(h lab.Hit) {
				mu.Lock()
				defer mu.Unlock()
				fmt.Fprintf(w.stdout, "%s %s %s %s\n", style.Dim(h.Time.Format("15:04:05.000")), style.Cyan(h.Scenario), style.Dim(h.From), term.Clean(h.Request))
			}
			l, err := lab.Open(found, lab.Options{Base: base, Dir: dir, Hit: hit})
			if err != nil {
				return labHint(err, "whygate lab serve --base-port PORT")
			}
			defer l.Close()
			mu.Lock()
			w.printServed(l, found)
			mu.Unlock()
			<-ctx.Done()
			return nil
		},
	}
	cmd.Flags().IntVar(&base, "base-port", lab.DefaultBase, "the index's `PORT`; the scenarios' follow it")
	cmd.Flags().StringVar(&dir, "dir", "", "the `DIRECTORY` of the lab's certificates (default: the user's cache directory)")
	return cmd
}

// labHint adds what to type where a port of the lab's is taken.
func labHint(err error, hint string) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return withHint(err, hint)
	}
	return err
}

// byPathExample is the scenario that the line about paths shows, if it is served; the first that is, if not.
const byPathExample = "body-short"

func (w *world) printServed(l *lab.Lab, found []*lab.Scenario) {
	style := term.New(w.stdout)
	served, example := 0, ""
	for _, s := range found {
		if !l.Serves(s) {
			continue
		}
		served++
		where := l.Address(s)
		if s.At.Unix == "" {
			where = s.At.URLScheme() + "://" + where
		}
		if l.ByPath(s) && (example == "" || s.Name == byPathExample) {
			example = s.Name
		}
		fmt.Fprintf(w.stdout, "%-28s %s\n", where, s.Name)
	}
	fmt.Fprintf(w.stdout, "\nScenarios served: %s", style.Bold(fmt.Sprint(served)))
	if example != "" {
		fmt.Fprintf(w.stdout, "; %s has them by path: curl -i http://%s/%s/", style.Bold("http://"+l.Index()), l.Index(), example)
	}
	fmt.Fprintln(w.stdout)
	w.printSkipped(l.Skipped)
	fmt.Fprintf(w.stdout, "The authority that signed their certificates: %s\n\n", l.CA())
}

// namedMax is how many scenarios of one reason are named; of more, only their number is said.
const namedMax = 6

// printSkipped says what is not served: a line for each reason.
func (w *world) printSkipped(skipped map[string]string) {
	names := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(skipped)) {
		names[skipped[name]] = append(names[skipped[name]], name)
	}
	for _, why := range slices.Sorted(maps.Keys(names)) {
		which := strings.Join(names[why], ", ")
		if len(names[why]) > namedMax {
			which = fmt.Sprintf("%d scenarios", len(names[why]))
		}
		fmt.Fprintf(w.stdout, "Not served: %s: %s.\n", which, why)
	}
}

func (w *world) labConfigCommand() *cobra.Command {
	var base int
	var dir, listen, out string
	var names []string
	for _, p := range lab.Proxies() {
		names = append(names, p.Name)
	}
	cmd := &cobra.Command{
		Use:       "config {" + strings.Join(names, "|") + "} [GLOB...]",
		Short:     "Print a configuration that puts a proxy in front of the lab",
		Long:      "Print a configuration, with short timeouts, that puts the proxy in front of what whygate lab serve serves: /NAME/ reaches each scenario.",
		Example:   "  whygate lab config nginx > lab.conf\n  whygate lab config haproxy 'tls-*'",
		Args:      cobra.MinimumNArgs(1),
		ValidArgs: names,
		RunE: func(_ *cobra.Command, args []string) error {
			p := lab.ProxyNamed(args[0])
			if p == nil {
				return withHint(fmt.Errorf("no proxy is called %q", args[0]), "one of "+strings.Join(names, ", "))
			}
			found, err := scenarios(args[1:])
			if err != nil {
				return err
			}
			if dir, err = labDir(dir); err != nil {
				return err
			}
			if out, err = filepath.Abs(out); err != nil {
				return err
			}
			if err := configurable(base, dir, out, listen); err != nil {
				return err
			}
			text, err := lab.ConfigFor(p, found, lab.Options{Base: base, Dir: dir}, listen, out)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(w.stdout, text)
			return err
		},
	}
	cmd.Flags().IntVar(&base, "base-port", lab.DefaultBase, "the lab's base `PORT`")
	cmd.Flags().StringVar(&dir, "dir", "", "the `DIRECTORY` of the lab's certificates (default: the user's cache directory)")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "the proxy's own `ADDRESS`")
	cmd.Flags().StringVar(&out, "files", ".", "the `DIRECTORY` for the proxy's own files, such as logs")
	return cmd
}

// configurable checks what goes into a configuration.
func configurable(base int, dir, out, listen string) error {
	if _, _, err := net.SplitHostPort(listen); err != nil {
		return withHint(fmt.Errorf("--listen %q is no address with a port", listen), "--listen 127.0.0.1:8080")
	}
	return cmp.Or(baseInRange(base), writable("--dir", dir), writable("--files", out), writable("--listen", listen))
}

// labTime bounds the scoring of one proxy.
const labTime = 5 * time.Minute

// ownProgram is the path of the program that runs.
func ownProgram() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", errors.New("this program's own path is not known")
	}
	return self, nil
}
