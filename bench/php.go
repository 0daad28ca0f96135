package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// phpFPM are the names that php-fpm's program goes by, the newest of Debian's first.
var phpFPM = []string{"php-fpm8.4", "php-fpm8.3", "php-fpm8.2", "php-fpm"}

// script is what php-fpm answers with.
const script = `<?php header('Content-Type: text/plain'); echo str_repeat('x', 100);`

// startPHP starts php-fpm with one script, which is answered as the origin answers. It listens on a unix socket.
func (b *bench) startPHP(ctx context.Context) (*process, error) {
	if err := os.WriteFile(filepath.Join(b.dir, "files", "small.php"), []byte(script), 0o644); err != nil {
		return nil, err
	}
	b.php = filepath.Join(b.dir, "php.sock")
	conf, err := render("php-fpm.conf", b.dir, settings{Dir: b.dir, Listen: b.php, Root: os.Geteuid() == 0})
	if err != nil {
		return nil, err
	}
	argv := []string{b.programs[phpProgram], "-F", "-n", "-y", conf}
	if os.Geteuid() == 0 {
		argv = append(argv, "-R")
	}
	p, err := start(command{name: phpProgram, cores: []int{b.machine.LoadCore}, argv: argv}, b.dir)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(startupMax); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(b.php); err == nil {
			return p, nil
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			p.stop()
			said, _ := os.ReadFile(p.log)
			return nil, fmt.Errorf("php-fpm does not listen: %s", strings.TrimSpace(string(said)))
		}
	}
}

// findPHP finds php-fpm's program.
func findPHP() (string, error) {
	for _, name := range phpFPM {
		for _, dir := range []string{"", "/usr/sbin/"} {
			if path, err := exec.LookPath(dir + name); err == nil {
				return path, nil
			}
		}
	}
	return "", errors.New("php-fpm is not there")
}
