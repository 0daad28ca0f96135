package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/term"
)

// groups are the headings of whygate --help, by who needs them.
var groups = []struct{ title, commands string }{
	{"Something is broken", "incidents diagnose explain lint"},
	{"What it means", "code cause"},
	{"A gateway", "demo proxy run check reload import"},
	{"Faults on purpose", "lab"},
}

// rootCommand is whygate itself, with every command below it.
func (w *world) rootCommand() *cobra.Command {
	var asked bool // for the version
	root := &cobra.Command{
		Use:   "whygate COMMAND",
		Short: "A reverse proxy that avoids, answers and explains 502 Bad Gateway",
		Long: `A reverse proxy that avoids, answers and explains 502 Bad Gateway, and the tools to find the reason behind any other proxy.

Exit codes: 0 fine, 1 a fault was found, 2 wrong use.`,
		Example:       "  whygate diagnose https://shop.example.com/\n  whygate explain /var/log/nginx/error.log\n  whygate code 502",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asked {
				return w.versionCommand().RunE(cmd, nil)
			}
			return cmd.Help()
		},
	}
	root.Flags().BoolVar(&asked, "version", false, "print the version, as whygate version does")
	root.SetIn(w.stdin)
	root.SetOut(w.stdout)
	root.SetErr(w.stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(w.proxyCommand(), w.runCommand(), w.checkCommand(), w.reloadCommand(), w.codeCommand(), w.causeCommand(), w.demoCommand(),
		w.incidentsCommand(), w.certificatesCommand(), w.trustCommand(), w.explainCommand(), w.lintCommand(), w.importCommand(), w.diagnoseCommand(), w.labCommand(), w.versionCommand())
	root.AddCommand(w.orderCommands()...)
	root.SetHelpCommand(helpCommand(root))
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { fmt.Fprint(w.stdout, help(cmd, term.New(w.stdout))) })
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return withHint(err, cmd.CommandPath()+" --help") })
	checkArguments(root)
	return root
}

// helpCommand is whygate help COMMAND. An unknown command is wrong use, as it is elsewhere.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:    "help [COMMAND]",
		Short:  "Help about a command",
		Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return wrongArguments(cmd, rest, err)
			}
			return cmd.Help()
		},
	}
}

// checkArguments gives every command errors about its arguments that say what to type.
func checkArguments(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return wrongArguments(cmd, args, err)
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		checkArguments(sub)
	}
}

// wrongArguments is the error for arguments that a command does not take: a subcommand that there is not, or too many or too
// few of them. An error that has a hint already says it better.
func wrongArguments(cmd *cobra.Command, args []string, err error) error {
	var hint *gateway.HintError
	switch {
	case errors.As(err, &hint):
		return err
	case cmd.HasSubCommands() && len(args) > 0:
		cmd.SuggestionsMinimumDistance = 2
		var lines []string
		for _, name := range cmd.SuggestionsFor(args[0]) {
			lines = append(lines, cmd.CommandPath()+" "+name)
		}
		lines = append(lines, cmd.CommandPath()+" --help")
		return withHint(fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath()), strings.Join(lines, "\n"))
	case len(args) == 0:
		return withHint(fmt.Errorf("%s: missing argument", ownPath(cmd)), usage(cmd))
	}
	return withHint(fmt.Errorf("%s: unexpected argument %q", ownPath(cmd), args[len(args)-1]), usage(cmd))
}

// ownPath is a command's path without the program's name, which every error begins with.
func ownPath(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// usage is a command's line of use.
func usage(cmd *cobra.Command) string {
	line := cmd.Use
	if cmd.HasParent() {
		line = cmd.Parent().CommandPath() + " " + cmd.Use
	}
	if cmd.HasAvailableLocalFlags() && !strings.Contains(line, "--") && cmd.HasParent() && !cmd.HasSubCommands() {
		line += " [FLAGS]"
	}
	return line
}

// help is what --help prints of a command, as wide as the terminal.
func help(cmd *cobra.Command, s *term.Style) string {
	var b strings.Builder
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	b.WriteString(reflow(about, s.ReadingWidth()) + "\n")
	fmt.Fprintf(&b, "\n%s\n%s\n", s.Bold("Usage"), term.Hang(usage(cmd), s.ReadingWidth(), "  ", "      "))
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\n%s\n%s\n", s.Bold("Examples"), s.Green(cmd.Example))
	}
	writeCommands(&b, cmd, s)
	if flags := cmd.LocalFlags().FlagUsagesWrapped(s.Width()); flags != "" && cmd.HasParent() {
		fmt.Fprintf(&b, "\n%s\n%s", s.Bold("Flags"), flags)
	}
	if cmd.HasSubCommands() {
		fmt.Fprintf(&b, "\nMore on one of them: %s COMMAND --help\n", cmd.CommandPath())
	}
	return b.String()
}

// writeCommands lists the commands below one: those of whygate itself by who needs them.
func writeCommands(b *strings.Builder, cmd *cobra.Command, s *term.Style) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	grouped := map[string]bool{}
	if !cmd.HasParent() {
		for _, g := range groups {
			names := strings.Fields(g.commands)
			writeGroup(b, cmd, s, g.title, names)
			for _, name := range names {
				grouped[name] = true
			}
		}
	}
	var rest []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && !grouped[sub.Name()] {
			rest = append(rest, sub.Name())
		}
	}
	title := "Commands"
	if len(grouped) > 0 {
		title = "About"
	}
	writeGroup(b, cmd, s, title, rest)
}

func writeGroup(b *strings.Builder, cmd *cobra.Command, s *term.Style, title string, names []string) {
	fmt.Fprintf(b, "\n%s\n", s.Bold(title))
	columns := 0
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			columns = max(columns, len(sub.Name()))
		}
	}
	for _, name := range names {
		i := slices.IndexFunc(cmd.Commands(), func(c *cobra.Command) bool { return c.Name() == name })
		fmt.Fprintln(b, term.Hang(cmd.Commands()[i].Short, s.ReadingWidth(), fmt.Sprintf("  %s%*s  ", s.Cyan(name), columns-len(name), ""), strings.Repeat(" ", columns+4)))
	}
}

// reflow fills paragraphs anew: a text in the code is as wide as the code.
func reflow(text string, width int) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		paragraphs[i] = term.Wrap(strings.ReplaceAll(p, "\n", " "), width, "")
	}
	return strings.Join(paragraphs, "\n\n")
}
