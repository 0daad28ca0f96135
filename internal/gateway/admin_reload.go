package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/whygate/whygate/internal/admin"
	"github.com/whygate/whygate/internal/config"
)

// Product is what a gateway calls itself on its admin address, so that who asks knows that it is one.
const Product = "whygate"

// showVersion says which program this is, and which gateway: its process, and the file that it was started with.
func (g *Gateway) showVersion(w http.ResponseWriter, _ *http.Request) {
	admin.JSON(w, http.StatusOK, map[string]any{"product": Product, "version": g.options.Version, "process": os.Getpid(), "file": g.ownFile()})
}

// reloadBodyMax is the largest body of POST /reload, in bytes: a path has 4,096 at most.
const reloadBodyMax = 16 << 10

// postReload reads the configuration again. A body {"file": PATH} says which file is meant, and another gateway than its own
// refuses; without a body it is whatever file this one has.
func (g *Gateway) postReload(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, reloadBodyMax+1))
	var asked struct {
		File string `json:"file"`
	}
	if len(body) > reloadBodyMax {
		err = errors.New("it is too large")
	}
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, &asked)
		if err == nil && asked.File == "" {
			err = errors.New("file is missing")
		}
	}
	if err != nil {
		admin.JSON(w, http.StatusBadRequest, map[string]any{"reloaded": false, "error": "the body is not {\"file\": PATH}: " + err.Error()})
		return
	}
	if asked.File != "" {
		err = g.ReloadFile(asked.File)
	} else {
		err = g.Reload()
	}
	if err == nil {
		admin.JSON(w, http.StatusOK, map[string]any{"reloaded": true, "file": g.ownFile(), "process": os.Getpid()})
		return
	}
	g.replyRefused(w, err)
}

// replyRefused says why there was no reload.
func (g *Gateway) replyRefused(w http.ResponseWriter, err error) {
	status := http.StatusUnprocessableEntity
	answer := map[string]any{"reloaded": false, "error": err.Error()}
	var hint *HintError
	if errors.As(err, &hint) {
		answer["hint"] = hint.Hint
	}
	var problems config.Problems
	if errors.As(err, &problems) { // whoever asks may not be allowed to read the file
		answer["error"], answer["problems"] = problems.Public().Error(), problems.Public()
	}
	var foreign *NotOwnError
	if errors.As(err, &foreign) {
		status = http.StatusConflict
		answer["asked"], answer["file"], answer["process"] = foreign.Asked, foreign.Own, os.Getpid()
		answer["hint"] = "ask the gateway that was started with that file, or send the process that has it SIGHUP"
	}
	admin.JSON(w, status, answer)
}
