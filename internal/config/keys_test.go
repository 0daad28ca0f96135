package config

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestKeysAndFieldsAgree: each key has its field and each field its key.
func TestKeysAndFieldsAgree(t *testing.T) {
	var walk func(k *key, s reflect.Type)
	walk = func(k *key, s reflect.Type) {
		tagged := 0
		for i := range s.NumField() {
			name := s.Field(i).Tag.Get("key")
			if name == "" {
				continue
			}
			tagged++
			c := k.child(name)
			if c == nil {
				t.Errorf("%s.%s has no key %q", s, s.Field(i).Name, name)
				continue
			}
			switch inner := s.Field(i).Type; c.kind.shape {
			case sectionShape:
				walk(c, inner)
			case sectionsShape, namedShape, listShape:
				if len(c.children) == 0 {
					continue
				}
				walk(c, inner.Elem())
			}
		}
		if tagged != len(k.children) {
			t.Errorf("%s has %d fields for %d keys", s, tagged, len(k.children))
		}
	}
	walk(root, reflect.TypeFor[Config]())
}

// keyPaths is every key there is: whoever adds one, or takes one away, means to.
const keyPaths = `version include name zone listen listen[].address listen[].tls listen[].tls.cert listen[].tls.key listen[].tls.certificates listen[].tls.certificates[].cert listen[].tls.certificates[].key listen[].tls.issue listen[].tls.client_ca listen[].tls.client_auth listen[].tls.ticket_keys listen[].tls.min_version listen[].tls.h2 listen[].h2c listen[].h3 listen[].proxy_protocol
acme acme.email acme.directory acme.ca acme.names acme.challenge acme.dns acme.dns.command acme.on_demand acme.on_demand.ask acme.on_demand.suffixes acme.storage
admin proxy_status error_pages access_log access_log.to access_log.sample access_log.without access_log.mask
incidents incidents.store incidents.keep incidents.keep.for incidents.keep.size console console.hosts console.password_file console.tls console.tls.cert console.tls.key console.tls.client_ca
notify notify[].webhook notify[].command notify[].format notify[].key_file notify[].every
otlp otlp.endpoint otlp.headers otlp.logs otlp.traces otlp.sample
resolver resolver.servers resolver.timeout trusted_proxies
limits limits.connections limits.request_head limits.head_time limits.request_body limits.idle
routes routes[].name routes[].host routes[].path routes[].method routes[].header routes[].query routes[].scheme routes[].port routes[].rate routes[].rate.per routes[].rate.limit routes[].maintenance routes[].compress routes[].priority routes[].allow routes[].deny routes[].auth routes[].auth.users routes[].auth.realm routes[].redirect routes[].redirect.to routes[].redirect.status
routes[].respond routes[].respond.status routes[].respond.body routes[].respond.type routes[].files routes[].files.root routes[].files.index routes[].files.missing routes[].files.links routes[].files.hidden routes[].files.scripts
routes[].fastcgi routes[].fastcgi.address routes[].fastcgi.root routes[].fastcgi.index routes[].fastcgi.split routes[].fastcgi.params routes[].pool routes[].strip routes[].rewrite routes[].set_request routes[].set_response routes[].make_request routes[].make_response
routes[].timeouts routes[].timeouts.connect routes[].timeouts.write routes[].timeouts.head routes[].timeouts.read routes[].timeouts.response
routes[].errors routes[].errors[].status routes[].errors[].file routes[].errors[].upstream
pools pools.NAME.endpoints pools.NAME.endpoints[].url pools.NAME.endpoints[].weight pools.NAME.endpoints[].backup pools.NAME.endpoints[].zone pools.NAME.resolve pools.NAME.resolve.every pools.NAME.resolve.srv pools.NAME.balance pools.NAME.hash
pools.NAME.sticky pools.NAME.sticky.cookie
pools.NAME.check pools.NAME.check.path pools.NAME.check.every pools.NAME.check.timeout pools.NAME.check.status pools.NAME.check.fall pools.NAME.check.rise
pools.NAME.check.type pools.NAME.check.host pools.NAME.eject pools.NAME.protocol pools.NAME.proxy_protocol pools.NAME.host
pools.NAME.tls pools.NAME.tls.ca pools.NAME.tls.crl pools.NAME.tls.server_name pools.NAME.tls.cert pools.NAME.tls.key pools.NAME.tls.verify
pools.NAME.timeouts pools.NAME.timeouts.connect pools.NAME.timeouts.tls pools.NAME.timeouts.write pools.NAME.timeouts.head
pools.NAME.timeouts.read pools.NAME.timeouts.response pools.NAME.timeouts.idle
pools.NAME.overload pools.NAME.overload.adaptive pools.NAME.overload.delay pools.NAME.overload.queue
pools.NAME.limits pools.NAME.limits.connections pools.NAME.limits.requests pools.NAME.limits.response_head
pools.NAME.retry pools.NAME.retry.attempts pools.NAME.retry.on pools.NAME.retry.budget pools.NAME.retry.replay_body pools.NAME.hedge`

func TestKeysAreExactly(t *testing.T) {
	var got []string
	for i := range keys {
		got = append(got, keys[i].path)
	}
	if want := strings.Fields(keyPaths); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

// TestKeysAreDescribed: each key says what it is, and its default and example are values that it takes.
func TestKeysAreDescribed(t *testing.T) {
	for i := range keys {
		k := &keys[i]
		if len(k.doc) < 20 || !strings.HasSuffix(k.doc, ".") {
			t.Errorf("%s is not described: %q", k.path, k.doc)
		}
		if k.kind.format != nil && k.max == 0 {
			t.Errorf("%s has no maximum", k.path)
		}
		if k.kind.shape != scalarShape {
			continue
		}
		if k.def == "" && k.example == "" {
			t.Errorf("%s has neither default nor example", k.path)
		}
		for _, s := range []string{k.def, k.example} {
			if s == "" {
				continue
			}
			if _, trouble := k.kind.parse(k, s); trouble != nil {
				t.Errorf("%s: %s %s", k.path, s, trouble.message)
			}
		}
	}
}

func TestReferenceHasEveryKey(t *testing.T) {
	text := Reference()
	for i := range keys {
		k := &keys[i]
		if !strings.Contains(text, "# `"+k.path+"`\n") || !strings.Contains(text, k.doc) {
			t.Errorf("%s is missing", k.path)
		}
	}
	golden(t, "testdata/reference.golden", text)
}

func TestSchemaHasEveryKey(t *testing.T) {
	var top map[string]any
	if err := json.Unmarshal(Schema(), &top); err != nil {
		t.Fatal(err)
	}
	for i := range keys {
		at := any(top)
		for _, part := range regexp.MustCompile(`\[\]|[A-Za-z0-9_]+`).FindAllString(keys[i].path, -1) {
			m, _ := at.(map[string]any)
			switch part {
			case "[]":
				at = m["items"]
			case "NAME":
				at = m["additionalProperties"]
			default:
				properties, _ := m["properties"].(map[string]any)
				at = properties[part]
			}
		}
		m, _ := at.(map[string]any)
		if m["description"] == nil {
			t.Errorf("%s is missing: %v", keys[i].path, at)
		}
	}
	var patterns func(v any)
	patterns = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if p, ok := v["pattern"].(string); ok {
				if _, err := regexp.Compile(p); err != nil {
					t.Error(err)
				}
			}
			for _, inner := range v {
				patterns(inner)
			}
		case []any:
			for _, inner := range v {
				patterns(inner)
			}
		}
	}
	patterns(top)
	golden(t, "testdata/schema.golden", string(Schema()))
}

func TestNearest(t *testing.T) {
	candidates := []string{"timeouts", "tls", "retry", "host"}
	for name, want := range map[string]string{"tmeouts": "timeouts", "timeout": "timeouts", "Timeouts": "timeouts", "tsl": "tls", "rerty": "retry", "zebra": "", "h": "", "hots": "host"} {
		if got := nearest(name, candidates); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestFormats(t *testing.T) {
	for _, tt := range []struct {
		k *kind
		s string
		n int64
	}{
		{duration, "1h30m", 5400e9},
		{duration, "1m", 60e9},
		{duration, "75s", 75e9},
		{duration, "1.5s", 15e8},
		{duration, "500us", 5e5},
		{duration, "0", 0},
		{size, "64KiB", 65536},
		{size, "1000", 1000},
		{size, "1TiB", 1 << 40},
		{size, "0", 0},
		{percent, "20%", 20},
	} {
		k := &key{kind: tt.k, max: 1 << 62}
		got, trouble := tt.k.parse(k, tt.s)
		if trouble != nil || got != tt.n {
			t.Errorf("%s: %v, %v", tt.s, got, trouble)
		}
		back, _ := tt.k.parse(k, tt.k.format(tt.n))
		if back != tt.n {
			t.Errorf("%s is shown as %s", tt.s, tt.k.format(tt.n))
		}
	}
}
