package statuscode

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// namesOf gives the bare names by code that a fixture has.
func namesOf(t *testing.T, file string) map[string][]string {
	t.Helper()
	names := map[string][]string{}
	for _, line := range fixture(t, file) {
		code, name, _ := strings.Cut(line, " ")
		names[code] = append(names[code], name)
	}
	return names
}

// compare checks one place's column both ways: each name here is in the source, and each code named there is named here.
func compare(t *testing.T, place int, names map[string][]string) {
	t.Helper()
	for code, columns := range nameTable {
		if name := columns[place]; (name == "") != (len(names[code]) == 0) || name != "" && !slices.Contains(names[code], name) {
			t.Errorf("%s, %s: %q; the source has %q", places[place].title, code, name, names[code])
		}
	}
	for code := range names {
		if ByCode(code) == nil {
			t.Errorf("%s names %s, which is not here", places[place].title, code)
		}
	}
}

func TestNamesAgreeWithTheirSources(t *testing.T) {
	for place, file := range []string{"rack", "", "symfony", "python2", "python3", "python3", "dotnet", "rust", "java", "httpcomponents", "angular"} {
		if file != "" {
			compare(t, place, namesOf(t, file))
		}
	}
}

func TestNamesAgreeWithGo(t *testing.T) {
	names := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^\s(Status\w+)\s+= (\d{3})`).FindAllStringSubmatch(goSource(t), -1) {
		names[m[2]] = append(names[m[2]], m[1])
	}
	compare(t, 1, names)
}

// TestNamesAgreeWithPython asks the interpreter on this machine. Newer versions have more names and lose none.
func TestNamesAgreeWithPython(t *testing.T) {
	out, err := exec.Command("python3", "-c", `
import http, http.client, sys
print(sys.version_info >= (3, 9))
for k, v in http.HTTPStatus.__members__.items(): print(int(v), k, hasattr(http.client, k))`).Output()
	if err != nil {
		t.Skipf("python3 does not run here: %v", err)
	}
	lines := strings.Fields(strings.SplitN(string(out), "\n", 2)[0])
	if lines[0] != "True" {
		t.Skip("this python3 is older than 3.9, which has not all names yet")
	}
	names, client := map[string][]string{}, map[string][]string{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 3 {
			names[f[0]] = append(names[f[0]], f[1])
			if f[2] == "True" {
				client[f[0]] = append(client[f[0]], f[1])
			}
		}
	}
	compare(t, 5, names)
	compare(t, 4, client)
}

// TestNamesAgreeWithJava asks the JDK on this machine.
func TestNamesAgreeWithJava(t *testing.T) {
	out, err := exec.Command("javap", "-constants", "java.net.HttpURLConnection").Output()
	if err != nil {
		t.Skipf("javap does not run here: %v", err)
	}
	names := map[string][]string{}
	for _, m := range regexp.MustCompile(`(HTTP_\w+) = (\d{3});`).FindAllStringSubmatch(string(out), -1) {
		names[m[2]] = append(names[m[2]], m[1])
	}
	compare(t, 8, names)
}

// TestConstantsOfBadGateway are the eleven names of 502, letter by letter.
func TestConstantsOfBadGateway(t *testing.T) {
	want := []string{
		":bad_gateway", "http.StatusBadGateway", "Response::HTTP_BAD_GATEWAY", "httplib.BAD_GATEWAY", "http.client.BAD_GATEWAY", "http.HTTPStatus.BAD_GATEWAY",
		"HttpStatusCode.BadGateway", "http::StatusCode::BAD_GATEWAY", "java.net.HttpURLConnection.HTTP_BAD_GATEWAY",
		"org.apache.hc.core5.http.HttpStatus.SC_BAD_GATEWAY", "HttpStatusCode.BadGateway",
	}
	var got []string
	for _, c := range ByCode("502").Constants() {
		got = append(got, c.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if c := ByCode("422").Constants()[1]; c.Place != "Rack before 3.1" || c.Name != ":unprocessable_entity" || Find(c.Name)[0].Code != "422" {
		t.Errorf("422: %+v", c)
	}
	if n := len(ByCode("499").Constants()); n != 0 {
		t.Errorf("499 has %d constants", n)
	}
	if n := len(ByCode("103").Constants()); n != 9 {
		t.Errorf("103 has %d constants: Python 2 and Java have none", n)
	}
}
