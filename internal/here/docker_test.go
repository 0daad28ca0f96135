package here

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/machine"
)

// fakeEngine answers at a unix socket as docker does, with the shapes that it has been seen to answer in.
func fakeEngine(t *testing.T, list string, looks map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "docker.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		id := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/containers/"), "/json")
		switch body, known := looks[id]; {
		case r.URL.String() == "/containers/json?all=1":
			fmt.Fprint(w, list)
		case known:
			fmt.Fprint(w, body)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"message":"No such container: `+id+`"}`)
		}
	})}}
	server.Start()
	t.Cleanup(server.Close)
	return path
}

// Containers as docker lists and shows them.
const (
	proxyID = "aaaaaaaaaaaabbbbbbbbbbbbccccccccccccddddddddddddeeeeeeeeeeeeffff"
	edge    = `{"Id":"` + proxyID + `","Names":["/edge"],"Image":"nginx","State":"running","Status":"Up 2 hours","Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":80,"Type":"tcp"}],"Labels":{"com.docker.compose.service":"edge"},"NetworkSettings":{"Networks":{"front":{"IPAddress":"172.20.0.2","Aliases":["edge"]}}}}`
	appRuns = `{"Id":"app1","Names":["/shop-app-1"],"Image":"app","State":"running","Status":"Up 2 hours","Ports":[{"IP":"0.0.0.0","PrivatePort":3000,"PublicPort":8080,"Type":"tcp"}],"Labels":{"com.docker.compose.service":"app"},"NetworkSettings":{"Networks":{"front":{"IPAddress":"172.20.0.3","Aliases":["app"]}}}}`
	appGone = `{"Id":"app1","Names":["/shop-app-1"],"Image":"app","State":"exited","Status":"Exited (137) 3 minutes ago","Ports":[],"Labels":{"com.docker.compose.service":"app"},"NetworkSettings":{"Networks":{"front":{"IPAddress":"","Aliases":["app"]}}}}`
)

// shown is a container as GET /containers/ID/json has it.
func shown(state string) string {
	return `{"Id":"app1","Name":"/shop-app-1","RestartCount":0,"State":` + state + `,"HostConfig":{"NetworkMode":"front","Memory":134217728,"PortBindings":{"3000/tcp":[{"HostIp":"","HostPort":"8080"}]}},
"Config":{"Image":"app:1","Env":["PASSWORD=hunter2"],"ExposedPorts":{"3000/tcp":{}}},"NetworkSettings":{"Networks":{"front":{"IPAddress":"172.20.0.3"}}}}`
}

func stateOf(status, rest string) string {
	return `{"Status":"` + status + `","Pid":4242,"ExitCode":0,"OOMKilled":false,"Error":"","StartedAt":"2026-01-01T08:00:00.1Z","FinishedAt":"0001-01-01T00:00:00Z"` + rest + `}`
}

func endedState(status string, code int, rest string) string {
	finished := time.Now().Add(-3 * time.Minute).UTC().Format(time.RFC3339Nano)
	return fmt.Sprintf(`{"Status":%q,"Pid":0,"ExitCode":%d,"Error":"","StartedAt":"2026-01-01T08:00:00.1Z","FinishedAt":%q%s}`, status, code, finished, rest)
}

func socketsAt(addresses ...string) func(int) ([]machine.Listener, error) {
	return func(pid int) (all []machine.Listener, err error) {
		for _, a := range append(addresses, "127.0.0.11:40000") {
			all = append(all, machine.Listener{Address: netip.MustParseAddrPort(a)})
		}
		return all, nil
	}
}

// TestContainers: what the engine says of the container that an upstream's name, address or port means.
func TestContainers(t *testing.T) {
	t.Parallel()
	edgeApart := strings.ReplaceAll(edge, `"front"`, `"outside"`)
	for name, c := range map[string]struct {
		list, look string
		upstream   string
		inside     bool // the proxy runs in the container edge
		listen     func(int) ([]machine.Listener, error)
		cause      fault.Cause
		says       string
		weak       bool
	}{
		"killed for want of memory, by its port": {appGone, endedState("exited", 137, `,"OOMKilled":true`), "127.0.0.1:8080", false, nil, fault.CauseOutOfMemory, "container shop-app-1 exited with code 137, killed for want of memory (OOMKilled), its limit is 128 MiB 3m", false},
		"killed, by its name":                    {edge + "," + appGone, endedState("exited", 137, ""), "app:3000", true, nil, fault.CauseWorkerKilled, "SIGKILL", false},
		"it crashed":                             {appGone, endedState("exited", 1, ""), "app:3000", false, nil, fault.CauseServiceFailed, "exited with code 1 3m", false},
		"it was stopped":                         {appGone, endedState("exited", 143, ""), "shop-app-1:3000", false, nil, fault.CauseServiceStopped, "somebody stopped it", false},
		"again and again":                        {strings.Replace(appRuns, `"running"`, `"restarting"`, 1), endedState("restarting", 1, `,"Restarting":true`), "app:3000", false, nil, fault.CauseServiceFailed, "being started again and again", false},
		"never started":                          {strings.Replace(appGone, `"exited"`, `"created"`, 1), endedState("created", 128, `,"Error":"driver failed programming external connectivity: Bind for 0.0.0.0:8080 failed: port is already allocated"`), "127.0.0.1:8080", false, nil, fault.CauseServiceFailed, "never started: driver failed", false},
		"paused":                                 {strings.Replace(appRuns, `"running"`, `"paused"`, 1), stateOf("paused", ""), "127.0.0.1:8080", false, nil, fault.CauseWorkersBusy, "docker unpause shop-app-1", false},
		"unhealthy":                              {appRuns, stateOf("running", `,"Health":{"Status":"unhealthy","FailingStreak":9,"Log":[{"Start":"2026-01-01T08:00:00Z","ExitCode":7,"Output":"curl: (7) Failed to connect, password=hunter2"}]}`), "127.0.0.1:8080", false, nil, fault.CauseServiceFailed, "its last 9 health checks failed", false},
		"no network in common":                   {edgeApart + "," + appRuns, stateOf("running", ""), "app:3000", true, nil, fault.CauseDNSNXDomain, "docker network connect outside shop-app-1", false},
		"no network in common, by the address":   {edgeApart + "," + appRuns, stateOf("running", ""), "172.20.0.3:3000", true, nil, fault.CauseDNSNXDomain, "no network in common", false},
		"the published port, in the network":     {edge + "," + appRuns, stateOf("running", ""), "app:8080", true, nil, fault.CauseConnectionRefused, "in its network it is 3000", false},
		"its own port, on this machine":          {appRuns, stateOf("running", ""), "127.0.0.1:3000", false, nil, fault.CauseConnectionRefused, "port 3000 is container shop-app-1's own; this machine has it as 8080", false},
		"a port that is not published":           {strings.Replace(appRuns, `"PublicPort":8080,`, "", 1), stateOf("running", ""), "127.0.0.1:3000", false, nil, fault.CauseConnectionRefused, "does not publish it", false},
		"it listens on another port":             {appRuns, stateOf("running", ""), "127.0.0.1:8080", false, socketsAt("0.0.0.0:5000"), fault.CauseConnectionRefused, "nothing in container shop-app-1 listens on port 3000, which this machine has as 8080; it listens on 5000", false},
		"it listens on loopback":                 {appRuns, stateOf("running", ""), "127.0.0.1:8080", false, socketsAt("127.0.0.1:3000"), fault.CauseConnectionRefused, "listens at 127.0.0.1:3000 alone", false},
		"started again a moment ago":             {appRuns, `{"Status":"running","StartedAt":"` + time.Now().Add(-time.Minute).UTC().Format(time.RFC3339Nano) + `"}`, "127.0.0.1:8080", false, nil, fault.CauseServiceFailed, "was started again 1m", true},
		"the proxy's own loopback":               {edge + "," + appRuns, stateOf("running", ""), "127.0.0.1:8080", true, nil, fault.CauseConnectionRefused, "127.0.0.1:8080 is the proxy's container edge itself, and not this machine; port 8080 is container shop-app-1's: name it app:3000", false},
		"started after the proxy":                {edge + "," + appRuns, stateOf("running", ""), "app:3000", true, nil, fault.CauseHostUnreachable, "may still ask its old address (docker restart edge", true},
		"another project's of the same name":     {edge + "," + strings.NewReplacer("app1", "app0", "front", "back", "shop-app-1", "blog-app-1").Replace(appGone) + "," + appRuns, stateOf("running", ""), "app:3000", true, nil, fault.CauseNone, "", false},
		"the proxy is in the machine's network":  {strings.ReplaceAll(edge, `"front"`, `"host"`) + "," + appRuns, stateOf("running", ""), "172.20.0.3:3000", true, nil, fault.CauseNone, "", false},
		"all is well":                            {appRuns, stateOf("running", `,"Health":{"Status":"healthy"}`), "127.0.0.1:8080", false, socketsAt("[::]:3000"), fault.CauseNone, "", false},
		"all is well in the network":             {edge + "," + appRuns, stateOf("running", ""), "app:3000", true, socketsAt("0.0.0.0:3000"), fault.CauseNone, "", false},
		"another's":                              {appGone, endedState("exited", 137, ""), "127.0.0.1:9999", false, nil, fault.CauseNone, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			look := shown(c.look)
			if name == "started again a moment ago" {
				look = strings.Replace(look, `"RestartCount":0`, `"RestartCount":5`, 1)
			}
			proxyLook := `{"State":{"Status":"running","StartedAt":"2026-01-01T08:00:00.1Z"}}`
			if name == "started after the proxy" {
				proxyLook = `{"State":{"Status":"running","StartedAt":"2025-12-01T08:00:00Z"}}`
			}
			a := &around{engines: []string{filepath.Join(t.TempDir(), "none.sock"), fakeEngine(t, "["+c.list+"]", map[string]string{"app1": look, proxyID: proxyLook})}, listen: c.listen, process: &machine.Process{PID: 7}}
			if c.inside {
				a.process.Container = proxyID[:12]
			}
			h := &finder{Here: &diagnose.Here{Upstreams: []diagnose.HereUpstream{{Address: c.upstream}}}}
			h.containers(t.Context(), a, h.wantedOf(nil))
			if len(h.Read) != 1 || !strings.Contains(h.Read[0], "docker.sock") {
				t.Errorf("read: %v", h.Read)
			}
			if c.cause == fault.CauseNone {
				if len(h.State) != 0 {
					t.Errorf("%+v", h.State)
				}
				return
			}
			if len(h.State) != 1 || h.State[0].Cause != c.cause || !strings.Contains(h.State[0].Text, c.says) || h.State[0].Weak != c.weak || h.State[0].At != c.upstream {
				t.Fatalf("%+v, want %v, %q", h.State, c.cause, c.says)
			}
			if b, _ := json.Marshal(h); strings.Contains(string(b), "hunter2") {
				t.Errorf("a secret: %s", b)
			}
		})
	}
}

// One that ended is no cause while another of the same service runs, or somebody listens at the port.
func TestContainersThatWereReplaced(t *testing.T) {
	t.Parallel()
	old := strings.NewReplacer("app1", "app0", "shop-app-1", "shop-app-0").Replace(appGone)
	looks := map[string]string{"app0": strings.ReplaceAll(shown(endedState("exited", 137, "")), "app1", "app0"), "app1": shown(stateOf("running", ""))}
	a := &around{engines: []string{fakeEngine(t, "["+old+","+appRuns+"]", looks)}, process: &machine.Process{}}
	h := &finder{Here: &diagnose.Here{Upstreams: []diagnose.HereUpstream{{Address: "app:3000"}}}}
	h.containers(t.Context(), a, h.wantedOf(nil))
	if len(h.State) != 1 || !h.State[0].Weak {
		t.Errorf("%+v", h.State)
	}
}

// What answers at the socket and is no engine, or never ends, is left out.
func TestNoEngine(t *testing.T) {
	t.Parallel()
	for name, list := range map[string]string{"no JSON": "hello", "no list": `{"message":"x"}`, "too long": `[{"Id":"` + strings.Repeat("x", engineMax) + `"}]`} {
		h := &finder{Here: &diagnose.Here{Upstreams: []diagnose.HereUpstream{{Address: "app:3000"}}}}
		h.containers(t.Context(), &around{engines: []string{fakeEngine(t, list, nil)}}, h.wantedOf(nil))
		if len(h.State)+len(h.Read) != 0 {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

// Where nobody listens at the target itself, the container that should is found by the port that it would publish.
func TestContainerOfTheTarget(t *testing.T) {
	path := fakeEngine(t, "["+appGone+"]", map[string]string{"app1": shown(endedState("exited", 137, `,"OOMKilled":true`))})
	t.Setenv("DOCKER_HOST", "unix://"+path)
	t.Setenv("XDG_RUNTIME_DIR", "")
	h := &finder{Here: &diagnose.Here{}}
	h.front(t.Context(), &diagnose.Target{Port: "8080"}, nil)
	if len(h.State) != 1 || h.State[0].Cause != fault.CauseOutOfMemory || h.State[0].At != "" || h.State[0].Weak {
		t.Errorf("%+v", h)
	}
}
