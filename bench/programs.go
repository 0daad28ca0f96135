package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// phpProgram is php-fpm, whose program has its version in its name, and Debian's package of whatever version.
const phpProgram = "php-fpm"

// programs are the paths of what is run, by name.
type programs map[string]string

// findPrograms looks for the load generator, the origin and the peers. What is missing is installed if we are root.
func findPrograms(ctx context.Context, peers []string, chosen []benchCase, stderr io.Writer) (programs, error) {
	if _, err := exec.LookPath("taskset"); err != nil {
		return nil, &hintError{"taskset is not installed", "apt-get install util-linux"}
	}
	wanted := []string{"wrk", nginx} // nginx is the origin as well
	if slices.ContainsFunc(chosen, func(c benchCase) bool { return c.streams > 0 }) {
		wanted = append(wanted, "h2load")
	}
	if slices.Contains(peers, haproxy) {
		wanted = append(wanted, haproxy)
	}
	if slices.ContainsFunc(chosen, func(c benchCase) bool { return c.php }) {
		wanted = append(wanted, phpProgram)
	}
	found, missing := lookup(wanted)
	if len(missing) == 0 {
		return found, nil
	}
	for i, name := range missing {
		if name == "h2load" {
			missing[i] = "nghttp2-client" // the package
		}
	}
	names := strings.Join(missing, " ")
	if os.Geteuid() != 0 {
		return nil, &hintError{"not installed: " + names, "sudo apt-get install " + names}
	}
	fmt.Fprintln(stderr, "installing", names)
	argv := append([]string{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "--no-install-recommends"}, missing...)
	if _, err := output(ctx, argv...); err != nil {
		return nil, &hintError{"install " + names + ": " + err.Error(), "apt-get update, then again"}
	}
	if found, missing = lookup(wanted); len(missing) > 0 {
		return nil, fmt.Errorf("installed, but not found: %s", strings.Join(missing, " "))
	}
	return found, nil
}

// lookup finds programs in the path and where Debian puts servers, which is not in every user's path.
func lookup(names []string) (found programs, missing []string) {
	found = programs{}
	for _, name := range names {
		path, err := exec.LookPath(name)
		if name == phpProgram {
			path, err = findPHP()
		} else if err != nil {
			path, err = exec.LookPath(filepath.Join("/usr/sbin", name))
		}
		if err != nil {
			missing = append(missing, name)
			continue
		}
		found[name] = path
	}
	return found, missing
}

// buildWhygate compiles the gateway of this tree as it is released, without cgo and without paths; calm's build keeps no incident.
func buildWhygate(ctx context.Context, dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	var tags string
	if name == calm {
		tags = "noincidents"
	}
	_, err := output(ctx, "env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-tags", tags, "-o", path, "github.com/whygate/whygate/cmd/whygate")
	if err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	return path, nil
}

// versions asks every program for its version. wrk prints its own along with an exit code that means wrong use.
func (p programs) versions(ctx context.Context) map[string]string {
	versions := map[string]string{}
	for name, path := range p {
		flag := "-v"
		if name == whygate || name == base || name == calm {
			flag = "version"
		}
		out, _ := exec.CommandContext(ctx, path, flag).CombinedOutput()
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		versions[name] = first
	}
	return versions
}
