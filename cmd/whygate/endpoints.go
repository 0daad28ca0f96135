package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/gateway"
	"github.com/whygate/whygate/internal/term"
)

// orders are the commands that change which endpoints of a running gateway get requests.
var orders = []struct{ action, short, long string }{
	{gateway.ActionDrain, "Take an endpoint of the running gateway out", `Have the running gateway give no new requests to an endpoint, to all of a pool, or to all there are. What is under way ends; its idle
connections are closed. With --wait the command waits until nothing is left, and shows how many are. whygate ready undoes it.`},
	{gateway.ActionReady, "Put an endpoint of the running gateway back", `Undo whygate drain and whygate maintenance for an endpoint, a pool, or all there are.`},
	{gateway.ActionMaintenance, "Answer for a pool of the running gateway", `Have the running gateway answer a pool's requests with 503, Retry-After and a page that says so, and leave its endpoints alone. Of an
endpoint it is the same as whygate drain. whygate ready undoes it.`},
}

func (w *world) orderCommands() []*cobra.Command {
	var out []*cobra.Command
	for _, o := range orders {
		out = append(out, w.orderCommand(o.action, o.short, o.long))
	}
	return out
}

func (w *world) orderCommand(action, short, long string) *cobra.Command {
	var file, admin, reason string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:     action + " [POOL] [ENDPOINT]",
		Short:   short,
		Long:    long + "\n\nIt lasts until it is undone or the gateway ends; a reload keeps it.\n\nExit codes: 0 done, 1 requests are left after --wait, 2 the gateway was not found, or has no such pool or endpoint.",
		Example: "  whygate " + action + " web http://10.0.0.7:8080 --reason 'kernel update'",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := gateway.Order{Action: action, Reason: reason}
			if len(args) > 0 {
				o.Pool = args[0]
			}
			if len(args) > 1 {
				o.Endpoint = args[1]
			}
			return w.order(cmd.Context(), file, admin, o, wait)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", defaultFile, "the gateway's configuration `FILE`, for its admin address")
	cmd.Flags().StringVar(&admin, "admin", "", "the gateway's admin `ADDRESS` (default: the file's)")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the log and for those who look later")
	if action == gateway.ActionDrain {
		cmd.Flags().DurationVar(&wait, "wait", 0, "wait for so long at most until no request is left")
	}
	return cmd
}

// order asks the gateway, and prints what came of it.
func (w *world) order(ctx context.Context, file, admin string, o gateway.Order, wait time.Duration) error {
	a, err := askGateway(ctx, file, admin)
	if err != nil {
		return err
	}
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	r, err := a.do(ctx, http.MethodPost, "/endpoints", body)
	if err != nil {
		return err
	}
	if r.Error != "" {
		fmt.Fprintln(w.stdout, term.Clean(r.Error))
		if r.Hint != "" {
			fmt.Fprintln(w.stdout, "hint:", term.Clean(r.Hint))
		}
		return status(exitUsage)
	}
	left := w.printPools(r, o)
	for end := time.Now().Add(wait); left > 0 && time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		if r, err = a.do(ctx, http.MethodGet, "/endpoints", nil); err != nil {
			return err
		}
		left = w.printPools(r, o)
	}
	if wait > 0 && left > 0 {
		return status(exitFault)
	}
	return nil
}

// printPools prints how the endpoints that an order concerned stand, and gives how many requests are left at them.
func (w *world) printPools(r *adminAnswer, o gateway.Order) (left int64) {
	for _, p := range r.Pools {
		if o.Pool != "" && p.Pool != o.Pool {
			continue
		}
		if p.Maintenance != nil {
			fmt.Fprintf(w.stdout, "%s: in maintenance (%s)\n", term.Clean(p.Pool), term.Clean(*p.Maintenance))
		}
		for _, e := range p.Endpoints {
			left += e.InFlight
			fmt.Fprintf(w.stdout, "%s %s: %s, %d requests under way", term.Clean(p.Pool), term.Clean(e.Endpoint), e.State, e.InFlight)
			if e.Reason != "" {
				fmt.Fprintf(w.stdout, " (%s)", term.Clean(e.Reason))
			}
			fmt.Fprintln(w.stdout)
		}
	}
	return left
}
