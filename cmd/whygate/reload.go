package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/config"
)

// adminTimeout bounds a question to a running gateway.
const adminTimeout = 10 * time.Second

func (w *world) reloadCommand() *cobra.Command {
	var file, admin string
	cmd := &cobra.Command{
		Use:   "reload [-c whygate.yaml]",
		Short: "Have the running gateway read its configuration again",
		Long: `Ask the gateway at the configuration's admin address to read its file again. If the file is not in order, the gateway
goes on with what it has, and this command says why.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			network, address, err := adminAddress(file, admin)
			if err != nil {
				return err
			}
			return w.reload(cmd.Context(), network, address)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", defaultFile, "the configuration file, for its admin address")
	cmd.Flags().StringVar(&admin, "admin", "", "the gateway's admin address (default: the file's, or 127.0.0.1:9502)")
	return cmd
}

// adminAddress finds where the gateway is asked: what was given, or what the file says even if it is not in order.
func adminAddress(file, admin string) (network, address string, err error) {
	if admin != "" {
		return "tcp", admin, nil
	}
	cfg, _ := config.Load(file)
	if cfg == nil {
		return "tcp", "127.0.0.1:9502", nil
	}
	if cfg.Admin.Network == "" {
		return "", "", withHint(errors.New("the configuration has no admin address"), "send the gateway SIGHUP instead: pkill -HUP whygate")
	}
	return cfg.Admin.Network, cfg.Admin.Address, nil
}

func (w *world) reload(ctx context.Context, network, address string) error {
	client := &http.Client{Timeout: adminTimeout, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/reload", nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		if request := new(url.Error); errors.As(err, &request) {
			err = request.Err // its URL says localhost, which is not where the gateway was asked
		}
		return withHint(fmt.Errorf("ask the gateway at %s: %w", address, err), "is it running? name its admin address with --admin")
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	var answer struct {
		Reloaded bool   `json:"reloaded"`
		Error    string `json:"error"`
		Hint     string `json:"hint"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("the gateway at %s answered %s and no JSON", address, res.Status)
	}
	if !answer.Reloaded {
		fmt.Fprintln(w.stdout, answer.Error)
		if answer.Hint != "" {
			fmt.Fprintln(w.stdout, "hint:", answer.Hint)
		}
		fmt.Fprintln(w.stdout, "not reloaded: the gateway goes on with what it has")
		return status(exitFault)
	}
	fmt.Fprintln(w.stdout, "reloaded")
	return nil
}
