package topology

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/conftree"
)

// kind is what a file is.
type kind uint8

// The kinds of files.
const (
	unknown kind = iota
	nginxKind
	haproxyKind
	apacheKind
	caddyfileKind
	caddyKind
	traefikKind
	traefikTOMLKind
	envoyKind
	kubernetesKind
	composeKind
	varnishKind
	iisKind
	tomcatKind
	fpmKind
	uwsgiKind
	systemdKind
	gunicornKind
	pumaKind
	unicornKind
)

// parse reads a file of the kind.
func (k kind) parse(r *conftree.Reader, name, text string) ([]*Node, error) {
	switch k {
	case nginxKind:
		return r.Nginx(name, text)
	case haproxyKind:
		return r.HAProxy(name, text)
	case apacheKind:
		return r.ApacheFiles(name, text)
	case caddyfileKind:
		return r.CaddyFiles(name, text)
	case caddyKind, traefikKind, envoyKind, kubernetesKind, composeKind:
		return r.YAML(name, text)
	case traefikTOMLKind:
		return r.TOML(name, text)
	case varnishKind:
		return r.VCL(name, text)
	case iisKind, tomcatKind:
		return r.XML(name, text)
	case fpmKind, uwsgiKind, systemdKind:
		return r.INI(name, text)
	case gunicornKind, pumaKind, unicornKind:
		return r.Script(name, text)
	}
	return nil, nil
}

// endings are those of files that are looked into where a directory is given. Files without an ending are, too: sites-enabled/default.
var endings = []string{
	".conf", ".cfg", ".vcl", ".config", ".xml", ".yml", ".yaml", ".json", ".toml", ".ini", ".py", ".rb", ".service", ".socket", ".caddyfile", ".nginx", ".vhost", ".params", ".inc", ".txt",
}

// readable reports whether a file of a directory may be a configuration, by its name.
func readable(name string) bool {
	base := strings.ToLower(filepath.Base(name))
	ending := filepath.Ext(base)
	switch base {
	case "package.json", "package-lock.json", "composer.json", "tsconfig.json", "composer.lock", "mime.types", "license", "readme", "makefile", "dockerfile":
		return false
	}
	switch ending {
	case ".py":
		return strings.Contains(base, "gunicorn")
	case ".rb":
		return base == "puma.rb" || base == "unicorn.rb"
	case ".txt":
		return strings.Contains(base, "nginx")
	case "":
		return !strings.HasSuffix(base, "_rsa") && !strings.HasSuffix(base, "_key")
	}
	return slices.Contains(endings, ending) || !strings.ContainsAny(ending, "_") && len(ending) > 6 || dotted(base)
}

// dotted reports whether a name looks like that of a site: example.com, a.example.org.
func dotted(base string) bool {
	return regexpHost.MatchString(base)
}

// What the texts of files look like.
var (
	regexpHost     = regexp.MustCompile(`^([a-z0-9-]+\.)+(com|net|org|io|dev|de|eu|uk|fr|local|lan|test|internal|app)$`)
	haproxyLooks   = regexp.MustCompile(`(?m)^(global|defaults|frontend|backend|listen|resolvers)\b[^{;=]*$`)
	haproxyLines   = regexp.MustCompile(`(?m)^\s+(mode|bind|server|timeout|maxconn|default_backend|use_backend|balance|option|log|nbthread|daemon|nameserver|stats)\b`)
	apacheLooks    = regexp.MustCompile(`(?mi)^\s*(<(VirtualHost|Location|LocationMatch|Proxy|IfModule|Directory|IfDefine|FilesMatch)\b[^>]*>|(ProxyPass|ProxyPassMatch|ProxyTimeout|ProxyPreserveHost|SSLProxyEngine|ProxyRequests|RewriteEngine|LoadModule|ServerRoot)\s+\S)`)
	nginxLooks     = regexp.MustCompile(`(?m)^\s*(server|http|events|upstream\s+\S+|location\s+[^{]+|map\s+\S+\s+\S+)\s*\{|^\s*(proxy_\w+|fastcgi_\w+|uwsgi_\w+|grpc_\w+|server_name|worker_processes|include|listen|ssl_certificate|client_max_body_size)\s[^=;{]*;`)
	nginxFirst     = regexp.MustCompile(`^(\s*#[^\n]*\n|\s)*(server\s*\{|events\s*\{|http\s*\{|upstream\s+[\w.-]+\s*\{|map\s+\$\w+\s+\$\w+\s*\{|user\s+[\w -]+;|worker_processes\s+\w+;)`)
	caddyLooks     = regexp.MustCompile(`(?m)^\s*(reverse_proxy|php_fastcgi|file_server|encode|respond|handle|handle_path|tls|root)\b[^;]*$`)
	vclLooks       = regexp.MustCompile(`(?m)^\s*(vcl\s+4\.\d\s*;|backend\s+\w+\s*(\{|none)|sub\s+vcl_\w+)`)
	fpmLooks       = regexp.MustCompile(`(?m)^\s*pm(\.\w+)?\s*=|^\s*listen\.(owner|mode|group|backlog)\s*=`)
	uwsgiLooks     = regexp.MustCompile(`(?m)^\s*\[uwsgi\]`)
	systemdLooks   = regexp.MustCompile(`(?m)^\s*\[(Unit|Service|Socket)\]`)
	kubernetesLook = regexp.MustCompile(`(?m)^\s*-?\s*"?apiVersion"?:`)
	kubernetesKey  = regexp.MustCompile(`(?m)^\s*-?\s*"?kind"?:`)
	composeLooks   = regexp.MustCompile(`(?m)^"?services"?:`)
	envoyLooks     = regexp.MustCompile(`(?m)^\s*\{?\s*"?(static_resources|dynamic_resources)"?\s*:`)
	traefikLooks   = regexp.MustCompile(`(?m)^(entryPoints|providers|serversTransport|certificatesResolvers)\s*:|^\s+(routers|services|middlewares|serversTransports)\s*:`)
	traefikTOML    = regexp.MustCompile(`(?m)^\s*\[+(entryPoints|providers|http\.(routers|services|middlewares|serversTransports)|serversTransport|certificatesResolvers)\b`)
	gunicornLooks  = regexp.MustCompile(`(?m)^(bind|workers|worker_class|timeout|keepalive|graceful_timeout)\s*=`)
	rubyLooks      = regexp.MustCompile(`(?m)^\s*(workers|threads|worker_processes|bind|port|listen|timeout|preload_app|persistent_timeout)\b`)
)

// sniffed is how many bytes of a text are looked at to tell what it is.
const sniffed = 16 << 10

// kindOf says what a file is, by its name where that tells, and by its text.
func kindOf(name, text string) kind {
	base := strings.ToLower(filepath.Base(name))
	text = text[:min(len(text), sniffed)]
	switch ext := filepath.Ext(base); {
	case conftree.Dump(text):
		return nginxKind
	case strings.ContainsRune(text[:min(len(text), 1024)], 0):
		return unknown
	case ext == ".yml" || ext == ".yaml" || ext == ".json":
		return structured(text)
	case ext == ".toml":
		return when(traefikTOML.MatchString(text), traefikTOMLKind)
	case ext == ".py":
		return when(gunicornLooks.MatchString(text), gunicornKind)
	case ext == ".rb":
		if strings.Contains(base, "unicorn") {
			return unicornKind
		}
		return when(rubyLooks.MatchString(text), pumaKind)
	case ext == ".vcl":
		return varnishKind
	case ext == ".config" || ext == ".xml":
		switch {
		case strings.Contains(text, "<Connector"):
			return tomcatKind
		case strings.Contains(text, "<system.webServer") || strings.Contains(text, "<rewrite>") || strings.Contains(text, "<system.web"):
			return iisKind
		}
		return unknown
	}
	return byText(base, text)
}

func when(is bool, k kind) kind {
	if is {
		return k
	}
	return unknown
}

// structured tells apart what comes as YAML or JSON.
func structured(text string) kind {
	switch {
	case kubernetesLook.MatchString(text) && kubernetesKey.MatchString(text):
		return kubernetesKind
	case composeLooks.MatchString(text):
		return composeKind
	case envoyLooks.MatchString(text):
		return envoyKind
	case strings.Contains(text, `"apps"`) && strings.Contains(text, `"http"`):
		return caddyKind
	case traefikLooks.MatchString(text):
		return traefikKind
	}
	return unknown
}

// byText tells apart what has no telling name.
func byText(base, text string) kind {
	if strings.Contains(text, "[") { // without a section none of them is a file by itself
		switch {
		case systemdLooks.MatchString(text):
			return systemdKind
		case uwsgiLooks.MatchString(text):
			return uwsgiKind
		case fpmLooks.MatchString(text):
			return fpmKind
		}
	}
	switch {
	case (strings.Contains(text, "vcl") || strings.Contains(text, "backend ")) && vclLooks.MatchString(text):
		return varnishKind
	case strings.HasPrefix(base, "haproxy") || haproxyLooks.MatchString(text) && haproxyLines.MatchString(text):
		return haproxyKind
	case strings.HasPrefix(base, "caddyfile") || strings.HasSuffix(base, ".caddyfile"):
		return caddyfileKind
	case nginxFirst.MatchString(text[:min(len(text), 512)]): // what most files of nginx begin with
		return nginxKind
	case apacheLooks.MatchString(text):
		return apacheKind
	case nginxLooks.MatchString(text):
		return nginxKind
	case caddyLooks.MatchString(text) && strings.Contains(text, "{"):
		return caddyfileKind
	}
	return unknown
}
