package advice

import (
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

// own are the causes to which lines about the proxy itself are judged.
var own = []fault.Cause{fault.CauseInternalError, fault.CauseRouteBroken, fault.CauseOwnLimit, fault.CauseDescriptorsExhausted, fault.CauseMemoryExhausted, fault.CauseUnknown}

// starting are the causes of what keeps nginx from starting.
var starting = []fault.Cause{
	fault.CauseRouteBroken, fault.CauseInternalError, fault.CauseServiceFailed, fault.CauseDNSNXDomain, fault.CauseDNSError, fault.CauseDNSNoData, fault.CauseDNSServFail, fault.CauseDNSTimeout,
	fault.CauseDescriptorsExhausted, fault.CauseMemoryExhausted, fault.CauseUnknown,
}

const emerg = "[emerg]"

var nginxTest = directive{set: "nginx -t", why: "names the file and the line; a reload that fails leaves the old configuration at work, a start that fails leaves nobody"}

var storiesOfNginx = []story{
	{
		products: "nginx", causes: starting, words: "address already in use", and: emerg + "|bind()",
		title:    "nginx did not start",
		sentence: "nginx did not start: another program, or another nginx, has the port already",
		do: []directive{
			{set: "ss -lntp 'sport = :{bound:80}'", why: "who listens there"},
			{set: "systemctl stop apache2", why: "or whatever it is; a second nginx that was started by hand ends with nginx -s stop"},
			{why: "In a container, the port on the host is published by another one: docker ps --filter publish={bound:80}"},
		},
		alone: true, unlogged: true, certain: true, check: "ss -lntp 'sport = :{bound:80}': who has it",
	},
	{
		products: "nginx", causes: own, words: "primary script unknown|unable to open primary script",
		title:    "php-fpm does not have the script",
		sentence: "php-fpm does not have the file that nginx names: SCRIPT_FILENAME is a path that is right for nginx and wrong for php-fpm, or php-fpm's user may not read it",
		do: []directive{
			{where: "location", set: "fastcgi_param SCRIPT_FILENAME /var/www/html$fastcgi_script_name;", why: "with the path as php-fpm sees it: in a container of its own the files are often elsewhere, or not mounted at all"},
			{set: "namei -l /var/www/html/index.php", why: "where php-fpm runs: each directory needs x for its user (www-data), the file r; chroot and doc_root in the pool count too"},
		},
		certain: true, check: "ls -l of the script's path where php-fpm runs (docker exec PHP ls -l /var/www/html/index.php): whether it is there",
	},
	{
		products: "nginx", causes: starting, words: "permission denied", and: "bind() to",
		title:    "nginx did not start",
		sentence: "nginx did not start: it may not open the port",
		do: []directive{
			{set: "semanage port -a -t http_port_t -p tcp 8081", why: "with SELinux, for a port that is not one of HTTP's; ausearch -m avc -ts recent shows the denial"},
			{set: "setcap cap_net_bind_service=+ep /usr/sbin/nginx", why: "below port 1024 without root; in a container sysctl net.ipv4.ip_unprivileged_port_start=0, or a port above"},
		},
		alone: true, unlogged: true, certain: true, check: "ausearch -m avc -ts recent: a denied name_bind is SELinux",
	},
	{
		products: "nginx", causes: starting, words: "cannot assign requested address", and: "bind() to",
		title:    "nginx did not start",
		sentence: "nginx did not start: the address in listen is none of this machine's",
		do: []directive{
			{set: "ip -br address", why: "which addresses there are; listen 80; takes all of them"},
			{set: "sysctl -w net.ipv4.ip_nonlocal_bind=1", why: "for an address that moves between machines (keepalived)"},
		},
		alone: true, unlogged: true, certain: true, check: "ip -br address: is the address of the message among them",
	},
	{
		products: "nginx", causes: starting, words: "host not found in upstream|host not found in resolver", and: emerg,
		title:    "nginx did not start",
		sentence: `nginx did not start: it looks up the names in its configuration when it starts, and "{quoted:a name}" did not resolve`,
		do: []directive{
			{set: "getent hosts {name:NAME}", why: "in nginx's own container or machine: the service must be up, and in one network with nginx"},
			{where: "location", set: "resolver 127.0.0.11 valid=10s; set $app http://NAME; proxy_pass $app;", why: "starts without the name, and looks it up for each request; 127.0.0.11 is Docker's resolver"},
			{where: "compose.yaml", set: "depends_on: {app: {condition: service_healthy}}", why: "starts the application first"},
		},
		alone: true, unlogged: true, check: "getent hosts NAME where nginx runs",
	},
	{
		products: "nginx", causes: starting, words: "cannot load certificate|ssl_ctx_use_privatekey|pem_read_bio|ssl: error", and: emerg,
		title:    "nginx did not start",
		sentence: "nginx did not start: it cannot read a certificate or its key",
		do: []directive{
			nginxTest,
			{set: "openssl x509 -noout -subject -enddate -in CERT; openssl pkey -noout -text -in KEY | head -1", why: "whether they are what they should be; both must be of one key"},
			{why: "certbot certificates shows where the files are: a name that was removed leaves a dead link."},
		},
		alone: true, unlogged: true, certain: true, check: "nginx -t",
	},
	{
		products: "nginx", causes: starting, words: "unknown directive", and: emerg,
		title:    "nginx did not start",
		sentence: "nginx did not start: it does not know a directive of its configuration",
		do: []directive{
			{set: "nginx -V 2>&1 | tr ' ' '\\n' | grep module", why: "which modules this one has; a directive of another module needs load_module, or another build"},
			nginxTest,
		},
		alone: true, unlogged: true, certain: true, check: "nginx -V: is the directive's module there, and is the version new enough",
	},
	{
		products: "nginx", causes: starting, words: emerg,
		title:    "nginx did not start",
		sentence: "nginx did not start, or did not take its new configuration",
		do:       []directive{nginxTest, {why: "The message names what is wrong: correct it, then nginx -t && nginx -s reload."}},
		alone:    true, unlogged: true, certain: true, check: "nginx -t",
	},
	{
		products: "nginx", causes: own, words: "permission denied", and: `open() "|mkdir() "`,
		title:    "nginx may not open a file",
		sentence: "nginx may not open a file: its worker's user has no right to it",
		do: []directive{
			{set: "namei -l {dir:DIRECTORY}; ps -o user= -C nginx", why: "each directory on the way needs x for that user, the last one w where nginx buffers bodies and answers"},
			{set: "chown -R www-data {dir:DIRECTORY}", why: "nginx writes there: client_body_temp_path, proxy_temp_path, a cache; with the user of the line above", fits: nginxWrites},
			{set: "restorecon -Rv {dir:DIRECTORY}", why: "with SELinux, where the rights are right: ls -Z shows the label", fits: nginxWrites},
			{why: "Let that user read the file and pass each directory on the way (chmod o+r, o+x), or move it below the site's root; with SELinux, ls -Z shows whether the label is in the way.", fits: func(f *Facts) bool { return !nginxWrites(f) }},
		},
		alone: true, unlogged: true, certain: true, check: "namei -l {dir:DIRECTORY}; ausearch -m avc -ts recent",
	},
	{
		products: "nginx", causes: append([]fault.Cause{fault.CauseProxyLoop}, own...), words: "redirection cycle",
		title:    "nginx redirects to itself",
		sentence: "nginx redirected the request to itself ten times over: the last file of try_files, or of error_page, does not exist",
		do: []directive{
			{set: "nginx -T | grep -n -E 'root|try_files|error_page|rewrite'", why: "the file that all requests fall back on must exist below root: an application that was not built, or another root"},
			{where: "location", set: "try_files $uri $uri/ =404;", why: "ends with a status instead of a file"},
		},
		alone: true, unlogged: true, certain: true, check: "ls -l of the file that try_files ends with",
	},
	{
		products: "nginx", causes: own, words: "exited on signal 9",
		title:    "A worker of nginx was killed",
		sentence: "a worker process of nginx was killed: by the kernel for want of memory, as a rule",
		do: []directive{
			{set: "dmesg -T | grep -i 'killed process'", why: "whether the kernel did it, and how much it had"},
			{set: "kubectl describe pod POD | grep -A3 'Last State'", why: "in Kubernetes: OOMKilled, with the limit"},
		},
		alone: true, unlogged: true, check: "dmesg -T | grep -i 'killed process' at that second",
	},
	{
		products: "nginx", causes: own, words: "exited on signal",
		title:    "A worker of nginx crashed",
		sentence: "a worker process of nginx crashed: all requests that it had were cut off",
		do: []directive{
			{set: "coredumpctl info nginx", why: "the stack of the crash; worker_rlimit_core 500m; and working_directory /tmp; where there is none"},
			{set: "nginx -V 2>&1 | tr ' ' '\\n' | grep add-", why: "modules of others are the usual reason: leave them out one by one, or bring them and nginx to one release"},
		},
		alone: true, unlogged: true, certain: true, check: "coredumpctl info nginx: whose function is on top of the stack",
	},
	{
		products: "nginx", causes: append([]fault.Cause{fault.CauseUpstreamStatus, fault.CauseApplicationError}, own...), words: "auth request unexpected status",
		title:    "The authentication service failed",
		sentence: "the authentication service that auth_request asks answered {status:with an error}, and nginx made a 500 of it: the application was not asked",
		do: []directive{
			{why: "Read the log of the authentication service at that second: the answer {status:} is its own. auth_request (nginx.ingress.kubernetes.io/auth-url) takes 2xx as yes, and 401 and 403 as no; all else is an error."},
			{set: "curl -si AUTH_URL -H 'Host: HOST' -H 'X-Original-URL: https://HOST/'", why: "asks it as nginx does"},
		},
		alone: true, unlogged: true, certain: true, check: "the authentication service's own log at that second",
	},
	{
		products: "nginx", causes: []fault.Cause{fault.CauseOwnLimit}, words: "worker_connections are not enough",
		sentence: "nginx has no connections left: worker_connections is reached",
		check:    "nginx -T | grep worker_connections, against the connections that ss -s counts: two for each proxied request",
		certain:  true,
	},
	{
		products: "nginx", causes: append([]fault.Cause{fault.CauseRequestBodyTooLarge}, own...), words: "client intended to send too large",
		sentence: "the request's body is larger than client_max_body_size: nginx refused it with 413, and nobody was asked",
		check:    "nginx -T | grep -n client_max_body_size: 1m where it is not set",
		certain:  true,
	},
	{
		products: "nginx", causes: []fault.Cause{fault.CauseDescriptorsExhausted}, words: "too many open files|no file descriptors",
		sentence: "nginx has no file descriptors left",
		check:    "grep 'open files' /proc/$(pgrep -o nginx)/limits, against ls /proc/PID/fd | wc -l of a worker",
		certain:  true,
	},
	{
		products: "nginx", causes: append([]fault.Cause{fault.CauseDNSNXDomain, fault.CauseDNSError, fault.CauseDNSNoResolver}, own...), words: "no resolver defined to resolve",
		check: "nginx -T | grep -n resolver", certain: true,
	},
}

// nginxWrites reports whether the directory of the line is one that nginx has for its own: only there may it be given to nginx.
func nginxWrites(f *Facts) bool {
	dir, ok := dirIn(f.Text)
	if !ok {
		return false
	}
	for _, own := range [...]string{"/var/cache/nginx", "/var/lib/nginx", "/var/tmp/nginx", "/var/cache/openresty"} {
		if dir == own || strings.HasPrefix(dir, own+"/") {
			return true
		}
	}
	return strings.HasSuffix(dir, "_temp") || strings.Contains(dir, "_temp/")
}
