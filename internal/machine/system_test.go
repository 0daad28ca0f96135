package machine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/openfile"
)

// fixture writes files below a root, and makes links of what begins with "->".
func fixture(t *testing.T, files map[string]string) *System {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if to, link := strings.CutPrefix(text, "->"); link {
			if err := os.Symlink(to, path); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &System{Root: openfile.Root(root)}
}

func TestFamily(t *testing.T) {
	t.Parallel()
	const limits = "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            7                    4096                 files     \n"
	s := fixture(t, map[string]string{
		"proc/7/stat": "7 (nginx) S 1 7 7 0", "proc/7/task/7/children": "8 9 10 ", "proc/7/limits": limits,
		"proc/8/stat": "8 (nginx: a) b) T 7 7", "proc/8/limits": limits, "proc/8/fd/0": "->/dev/null", "proc/8/fd/3": "->socket:[12]", "proc/8/fd/4": "->socket:[13]",
		"proc/9/stat": "9 (nginx) Z 7 7",
	})
	all := s.Family(t.Context(), 7)
	if len(all) != 3 || all[1] != (Member{PID: 8, Name: "nginx: a) b", State: 'T', Descriptors: 3, Sockets: 2, Limit: 7}) || all[2].State != 'Z' {
		t.Fatalf("%+v", all)
	}
	if all[0].Stuck() != "" || !strings.Contains(all[1].Stuck(), "stopped") || !strings.Contains(all[2].Stuck(), "dead") || len(s.Read()) != 1 {
		t.Errorf("%+v, read %q", all, s.Read())
	}
	if none := s.Family(t.Context(), 99); none != nil {
		t.Errorf("a process that is not there: %+v", none)
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  *Memory
		unit  string
	}{
		"version 2": {map[string]string{
			"proc/7/cgroup": "0::/system.slice/app.service\n", "sys/fs/cgroup/system.slice/app.service/memory.current": "1000\n", "sys/fs/cgroup/system.slice/app.service/memory.max": "1024\n",
			"sys/fs/cgroup/system.slice/app.service/memory.events": "low 0\nmax 9\noom 4\noom_kill 3\n",
		}, &Memory{"/system.slice/app.service", 1000, 1024, 3}, "app.service"},
		"without a limit": {map[string]string{"proc/7/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.current": "1000\n", "sys/fs/cgroup/a/memory.max": "max\n"}, &Memory{"/a", 1000, 0, 0}, ""},
		"version 1": {map[string]string{
			"proc/7/cgroup": "5:cpu,cpuacct:/\n4:memory:/b\n1:name=systemd:/system.slice/system-app.slice/app@1.service/x\n0::/\n", "sys/fs/cgroup/memory/b/memory.usage_in_bytes": "5\n",
			"sys/fs/cgroup/memory/b/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/b/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
		}, &Memory{"/b", 5, 0, 2}, "app@1.service"},
		"none": {map[string]string{"proc/7/cgroup": "0::/\n"}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := fixture(t, c.files)
			got := s.Memory(t.Context(), 7)
			if (got == nil) != (c.want == nil) || got != nil && *got != *c.want || (got == nil) != (len(s.Read()) == 0) || s.Unit(t.Context(), 7) != c.unit {
				t.Errorf("%+v, want %+v; unit %q; read %q", got, c.want, s.Unit(t.Context(), 7), s.Read())
			}
		})
	}
}

func TestConntrack(t *testing.T) {
	t.Parallel()
	s := fixture(t, map[string]string{"proc/sys/net/netfilter/nf_conntrack_count": "255\n", "proc/sys/net/netfilter/nf_conntrack_max": "256\n", "proc/uptime": "12.5 3\n"})
	if used, most := s.Conntrack(t.Context()); used != 255 || most != 256 || !slices.Equal(s.Read(), []string{"conntrack's count and maximum"}) || s.Up(t.Context()) != 12.5 {
		t.Errorf("%d of %d, read %q", used, most, s.Read())
	}
	none := fixture(t, nil)
	if used, most := none.Conntrack(t.Context()); used != 0 || most != 0 || len(none.Read()) != 0 {
		t.Errorf("%d of %d, read %q", used, most, none.Read())
	}
}
