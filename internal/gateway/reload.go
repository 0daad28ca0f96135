package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"strconv"

	"github.com/whygate/whygate/internal/config"
)

// NotOwnError refuses a reload that was meant for another gateway.
type NotOwnError struct {
	Asked string // the file that was to be read again
	Own   string // the one that this gateway was started with; empty if it was started without one
}

// Error names both files.
func (e *NotOwnError) Error() string {
	if e.Own == "" {
		return "this gateway was started without a file, not with " + e.Asked
	}
	return "this gateway was started with " + e.Own + ", not with " + e.Asked
}

// Hangup is what SIGHUP asks for: the logs are opened again first, whatever the configuration is like, and then the configuration
// is read again, where there is a file. What is wrong with it is logged.
func (g *Gateway) Hangup() {
	if g.options.Load == nil {
		g.ReopenLogs()
		return
	}
	_ = g.Reload() // it opens the logs first, and has logged why, if it was refused
}

// ReloadFile is Reload for who names the file: its absolute path, with symbolic links resolved. A gateway that was started
// with another one refuses with a NotOwnError.
func (g *Gateway) ReloadFile(file string) error {
	if own := g.ownFile(); own != file {
		return &NotOwnError{Asked: file, Own: own}
	}
	return g.Reload()
}

// ownFile is the path of the configuration file with symbolic links resolved as they stand now: Kubernetes, for one, changes a
// link to put a new file in place.
func (g *Gateway) ownFile() string {
	if g.file == "" {
		return ""
	}
	if resolved, err := filepath.EvalSymlinks(g.file); err == nil {
		return resolved
	}
	return g.file
}

// Reload reads the configuration again and serves by it. Nothing under way is cut. If the new one is not in order the old
// one goes on, and the error says why. The logs are opened again in any case.
func (g *Gateway) Reload() error {
	g.ReopenLogs()
	if g.options.Load == nil {
		return &HintError{fmt.Errorf("there is no configuration file to read again"), "start with: whygate run -c whygate.yaml"}
	}
	g.reloading.Lock() // the file that is read last is the one that is applied last
	defer g.reloading.Unlock()
	notify("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(monotonicMicroseconds(), 10))
	defer notify("READY=1")
	cfg, problems := g.options.Load()
	if !problems.Failed() {
		problems = append(problems, Check(cfg)...)
	}
	g.logProblems(problems)
	if err := problems.Err(); err != nil {
		g.log.Error("reload refused: the present configuration stays in use", "file", g.file)
		return err
	}
	g.mu.Lock()
	was, console := g.current.cfg.Admin, g.current.cfg.Console
	g.mu.Unlock()
	if err := g.apply(cfg, g.followFirst(cfg)); err != nil {
		g.log.Error("reload refused: the present configuration stays in use", "file", g.file, errorKeys(err))
		return err
	}
	if !reflect.DeepEqual(cfg.Console, console) {
		g.log.Warn("console changes with the next start only")
	}
	if cfg.Admin != was {
		g.log.Warn("the admin address changes with the next start only", "now", was.String(), "then", cfg.Admin.String())
	}
	g.log.Info("configuration reloaded", "file", g.file)
	g.Changed(changeReload, g.file, "configuration reloaded")
	return nil
}

// logProblems writes one line for each mistake, so that whoever filters lines has all of it.
func (g *Gateway) logProblems(problems config.Problems) {
	for _, p := range problems {
		level, message := slog.LevelError, "mistake in the configuration"
		if p.Severity == config.Warning {
			level, message = slog.LevelWarn, "warning about the configuration"
		}
		g.log.LogAttrs(context.Background(), level, message, problemKeys(p)...)
	}
}

// problemKeys are a problem's parts as keys of a line, those that it has.
func problemKeys(p config.Problem) []slog.Attr {
	var keys []slog.Attr
	if p.File != "" {
		keys = append(keys, slog.String("file", p.File))
	}
	if p.Line > 0 {
		keys = append(keys, slog.Int("line", p.Line), slog.Int("column", p.Column))
	}
	keys = append(keys, slog.String("problem", p.Message))
	if p.Hint != "" {
		keys = append(keys, slog.String("hint", p.Hint))
	}
	return keys
}

// errorKeys are an error and its hint as keys of a line.
func errorKeys(err error) slog.Attr {
	keys := []any{slog.String("error", err.Error())}
	var hint *HintError
	if errors.As(err, &hint) && hint.Hint != "" {
		keys = append(keys, slog.String("hint", hint.Hint))
	}
	return slog.Group("", keys...) // a group without a name is its keys
}
