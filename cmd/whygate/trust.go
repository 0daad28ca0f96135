package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/store"
	"github.com/whygate/whygate/internal/term"
)

// systemAuthorities is where Debian and its relatives take authorities from, and the program that does so.
type systemAuthorities struct{ directory, program string }

var debian = systemAuthorities{"/usr/local/share/ca-certificates", "update-ca-certificates"}

// trustedName is the root's name among the system's authorities.
const trustedName = "whygate-local-authority.crt"

// installTime bounds the system's program.
const installTime = time.Minute

func (w *world) trustCommand() *cobra.Command {
	var state string
	var install, remove bool
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "The root certificate of tls: internal, to be trusted",
		Long: `Print the root certificate of the authority that signs for listeners with tls: internal, as PEM. The gateway makes that authority when it
first needs it. Its key stays in the state directory: give nobody more than what this prints, and trust it on machines for development alone.

With --install the root is put among the authorities of this machine, on Debian and its relatives, as root. Browsers with a store of their own
(Firefox) are to be given it by hand. --remove takes it out again.`,
		Example: "  whygate trust > root.crt\n  curl --cacert root.crt https://localhost:8443/\n  sudo whygate trust --install --state ~/.local/state/whygate",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case install && remove:
				return errors.New("trust: --install and --remove are two opposites")
			case remove:
				return w.untrust(cmd.Context(), debian)
			}
			root, err := localRoot(state)
			if err != nil {
				return err
			}
			if install {
				return w.trust(cmd.Context(), debian, root)
			}
			_, err = w.stdout.Write(root)
			return err
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "the gateway's state `DIRECTORY` (default $STATE_DIRECTORY, or ~/.local/state/whygate; /var/lib/whygate for a service)")
	cmd.Flags().BoolVar(&install, "install", false, "put it among the authorities of this machine")
	cmd.Flags().BoolVar(&remove, "remove", false, "take it out of them")
	return cmd
}

// localRoot is the root in a state directory, that of whoever asks by default.
func localRoot(state string) ([]byte, error) {
	if state == "" {
		var err error
		if state, err = store.StateDirectory(os.Getenv); err != nil {
			return nil, withHint(err, "whygate trust --state DIRECTORY")
		}
	}
	root, err := certs.LocalRoot(gateway.LocalDirectory(state))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, withHint(fmt.Errorf("there is no local authority in %s", state), "start the gateway with tls: internal first; where systemd or another user runs it, name its directory: --state /var/lib/whygate")
	}
	return root, err
}

// trust puts the root among the system's authorities.
func (w *world) trust(ctx context.Context, system systemAuthorities, root []byte) error {
	const byHand = "whygate trust > root.crt, and give that file to the system or the browser by hand"
	program, err := exec.LookPath(system.program)
	if err != nil {
		return withHint(fmt.Errorf("%s is not on this machine, so it is not known how authorities are added", system.program), byHand)
	}
	if err := os.MkdirAll(system.directory, 0o755); err != nil {
		return asRoot(err, "--install --state DIRECTORY")
	}
	name := filepath.Join(system.directory, trustedName)
	if err := os.WriteFile(name, root, 0o644); err != nil {
		return asRoot(err, "--install --state DIRECTORY")
	}
	if err := takeUp(ctx, program); err != nil {
		return err
	}
	fmt.Fprintf(w.stdout, "%s is trusted on this machine now; whygate trust --remove ends that\n", name)
	return nil
}

// untrust takes the root out of the system's authorities.
func (w *world) untrust(ctx context.Context, system systemAuthorities) error {
	name := filepath.Join(system.directory, trustedName)
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(w.stdout, "no root of a local authority is trusted on this machine by whygate trust")
		return nil
	}
	program, err := exec.LookPath(system.program) // before the file goes: without the program the root would stay trusted
	if err != nil {
		return withHint(fmt.Errorf("%s is not on this machine, so the system would go on trusting %s", system.program, name), "install ca-certificates, then whygate trust --remove again")
	}
	if err := os.Remove(name); err != nil {
		return asRoot(err, "--remove")
	}
	if err := takeUp(ctx, program); err != nil {
		return err
	}
	fmt.Fprintf(w.stdout, "%s is trusted no more\n", name)
	return nil
}

// takeUp runs the program that makes the system see what is in its directory.
func takeUp(ctx context.Context, program string) error {
	ctx, cancel := context.WithTimeout(ctx, installTime)
	defer cancel()
	if out, err := exec.CommandContext(ctx, program).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, term.Clean(string(out[:min(len(out), 500)])))
	}
	return nil
}

// asRoot is an error of the file system, with what to do where it is about permissions.
func asRoot(err error, flags string) error {
	if errors.Is(err, fs.ErrPermission) {
		return withHint(err, "the system's authorities are root's: sudo whygate trust "+flags)
	}
	return err
}
