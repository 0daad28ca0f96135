package gateway

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"syscall"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/telemetry"
)

// accessLog is the log in use; Log is nil where it is off.
type accessLog struct {
	*telemetry.Log
	name     string
	cfg      config.AccessLog
	shape    telemetry.Shape
	readable bool // for a person: with advice
}

// openOutput opens what an access log's name stands for, nil where it is off. A pipe without a reader is an error: to wait for one
// would hold up the start.
func (g *Gateway) openOutput(name string) (io.Writer, error) {
	switch name {
	case config.LogOff:
		return nil, nil
	case config.LogStdout:
		return unowned{g.options.Stdout}, nil
	case config.LogStderr:
		return unowned{g.options.Stderr}, nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0o640)
	if err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}
	return f, nil
}

// unowned is a writer that is not the log's to close.
type unowned struct{ io.Writer }

// isFile reports whether the log is a file of its own, which can be moved away and opened again.
func (a *accessLog) isFile() bool {
	switch a.name {
	case config.LogOff, config.LogStdout, config.LogStderr:
		return false
	}
	return true
}

// openLog gives the access log: the one in use, if it is that one, so that no line is lost between two.
func (g *Gateway) openLog(cfg config.AccessLog) (*accessLog, error) {
	if a := g.access.Load(); a != nil && reflect.DeepEqual(a.cfg, cfg) {
		return a, nil
	}
	a := &accessLog{name: cfg.To, cfg: cfg, shape: shapeOf(cfg)}
	out, err := g.openOutput(a.name)
	if err != nil || out == nil {
		return a, err
	}
	format := telemetry.JSON
	if !a.isFile() && g.options.Readable {
		format, a.readable = telemetry.Readable, true
		if g.options.Color {
			format = telemetry.Colored
		}
	}
	a.Log = telemetry.NewLog(out, a.shape.Format(format, a.readable))
	a.Panicked = func(reason any) { g.bug("a line of the access log could not be written", reason) }
	return a, nil
}

// shapeOf is what the configuration says of the lines.
func shapeOf(cfg config.AccessLog) telemetry.Shape {
	return telemetry.Shape{
		Sample: uint32(cfg.Sample), Without: telemetry.FieldsOf(cfg.Without),
		MaskClient: slices.Contains(cfg.Mask, "client"), MaskQuery: slices.Contains(cfg.Mask, "query"), MaskAgent: slices.Contains(cfg.Mask, "user_agent"),
	}
}

// ReopenLogs makes the access log go on in a new file of its name, as is needed after the old one was moved away. Where that
// cannot be opened the old one goes on. It has nothing to do with the configuration, and so does not look at it.
func (g *Gateway) ReopenLogs() {
	g.mu.Lock() // a reload may just be changing the log
	defer g.mu.Unlock()
	a := g.access.Load()
	if a == nil || !a.isFile() {
		return
	}
	out, err := g.openOutput(a.name)
	if err != nil {
		g.log.Error("the access log cannot be opened again: lines go on into the old file", "file", a.name, "error", err)
		return
	}
	a.Reopen(out)
	g.log.Info("access log opened again", "file", a.name)
}

// closeLog ends a log that is not in use any more.
func (g *Gateway) closeLog(a *accessLog) {
	if a == nil || a.Log == nil {
		return
	}
	a.Close()
	g.lostLines.Add(a.Dropped())
}

// droppedLines is how many lines were lost, by this log and by those before.
func (g *Gateway) droppedLines() uint64 {
	n := g.lostLines.Load()
	if a := g.access.Load(); a != nil && a.Log != nil {
		n += a.Dropped()
	}
	return n
}

// writeLog logs an exchange. A log that was closed meanwhile has another in its place, by which the line goes.
//
// hot: once per request.
func (g *Gateway) writeLog(r *telemetry.Record) {
	a := g.access.Load()
	if a.Log == nil || !a.shape.Takes(r) {
		return
	}
	c := g.clock.Load()
	r.At = c.wall.Add(r.Began.Sub(c.mono))
	if a.readable && r.Fault.Is() {
		r.Advice = g.adviceOn(r.Fault, r.Pool)
	}
	for !a.Write(r) {
		next := g.access.Load()
		if next == a || next.Log == nil { // the gateway has stopped, or logs no more
			g.lostLines.Add(1)
			return
		}
		a = next
	}
}
