// Command whygate is a reverse proxy that answers every upstream fault right and says why.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/term"
)

// Exit codes, the same for every command.
const (
	exitFine  = 0
	exitFault = 1 // the command worked, and what it looked at is not in order
	exitUsage = 2 // wrong use, or the command could not do its work
)

func main() {
	os.Exit(run(untilAsked(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// untilAsked gives a context that the first SIGTERM or ^C ends. A second one ends the process at once: signals are the
// system's again before anybody learns of the first.
func untilAsked() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, os.Interrupt)
	go func() { // ends with the process
		<-asked
		signal.Stop(asked)
		cancel()
	}()
	return ctx
}

// world is what a command sees of its surroundings, so that tests run what ships.
type world struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

// run runs the command line and returns its exit code. Whatever a command prints goes through a guard, so that nothing that came
// from outside steers the terminal, whoever forgot to clean it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out, errs := term.NewGuard(stdout), term.NewGuard(stderr)
	defer func() { // there is nobody left to tell that it failed
		_ = out.Flush()
		_ = errs.Flush()
	}()
	w := &world{stdin, out, errs}
	root := w.rootCommand()
	root.SetArgs(numbersLast(args))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	return w.report(err)
}

// status is an error that has been told already: only its exit code is left.
type status int

func (s status) Error() string { return fmt.Sprintf("exit %d", int(s)) }

// withHint is an error with what to type next.
func withHint(err error, hint string) error { return &gateway.HintError{Err: err, Hint: hint} }

// report prints an error as one line of what failed and hint lines of what to type.
func (w *world) report(err error) int {
	var told status
	if errors.As(err, &told) {
		return int(told)
	}
	fmt.Fprintf(w.stderr, "whygate: %v\n", err)
	var hint *gateway.HintError
	if errors.As(err, &hint) && hint.Hint != "" {
		for line := range strings.SplitSeq(hint.Hint, "\n") {
			fmt.Fprintf(w.stderr, "hint: %s\n", line)
		}
	}
	return exitUsage
}

// numbersLast lets -1, which is a code in HAProxy's logs, be asked for as it stands: no flag is a number.
func numbersLast(args []string) []string {
	if len(args) == 0 || args[0] != "code" || slices.Contains(args, "--") {
		return args
	}
	var flags, numbers []string
	for _, arg := range args {
		if len(arg) > 1 && arg[0] == '-' && arg[1] >= '0' && arg[1] <= '9' {
			numbers = append(numbers, arg)
		} else {
			flags = append(flags, arg)
		}
	}
	if len(numbers) == 0 {
		return args
	}
	return append(append(flags, "--"), numbers...)
}
