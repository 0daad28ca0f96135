package adoption

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/conftree"
	"github.com/whygate/whygate/internal/topology"
)

type node = conftree.Node

// scope is the blocks around a line, the outermost first: nginx inherits a directive from the innermost block that has any of its name.
type scope [][]*node

func (s scope) all(name string) []*node {
	for i := len(s) - 1; i >= 0; i-- {
		var found []*node
		for _, n := range s[i] {
			if n.Name == name {
				found = append(found, n)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// get is the last directive of a name that holds; nil if there is none.
func (s scope) get(name string) *node {
	if all := s.all(name); len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// own are the directives of a name in the innermost block.
func (s scope) own(name string) []*node {
	var found []*node
	for _, n := range s[len(s)-1] {
		if n.Name == name {
			found = append(found, n)
		}
	}
	return found
}

func (s scope) in(kids []*node) scope { return append(slices.Clone(s), kids) }

// nginx is one configuration of nginx on its way.
type nginx struct {
	d         *draft
	file      string
	upstreams map[string]*node
	zones     map[string]*node // of limit_req
	servers   []*nginxServer
	unread    bool        // some of what holds for all servers could not be read
	patterns  bool        // some server has a name that is a pattern: it may take another's exact name from who takes the rest
	body      []bodyLimit // limits on the request's body, of what is passed on
}

// fromNginx translates configurations of nginx. It ends where the context does, between two locations.
func fromNginx(ctx context.Context, d *draft, all []*topology.Proxy) error {
	for _, p := range all {
		if err := fromOneNginx(ctx, d, p); err != nil {
			return err
		}
	}
	return nil
}

func fromOneNginx(ctx context.Context, d *draft, p *topology.Proxy) error {
	n := &nginx{d: d, file: p.File, upstreams: map[string]*node{}, zones: map[string]*node{}}
	n.unread = unreadLine(p.Tree) != nil
	if !p.Whole {
		n.http(scope{p.Tree})
	}
	for _, b := range p.Tree {
		switch {
		case b.Name == "http":
			n.unread = n.unread || unreadLine(b.Kids) != nil
			n.http(scope{b.Kids})
		case p.Whole && !outside[b.Name]:
			n.account([]*node{b}, &d.notes)
		}
	}
	n.clients(p.Tree)
	n.order()
	for _, s := range n.servers {
		if err := n.server(ctx, s); err != nil {
			return err
		}
		d.notes, s.mark = append(d.notes, s.mark...), nil // there was no route to stand before
	}
	n.d.sortByHost()
	n.bodies()
	return nil
}

// unreadLine is an include of a block that could not be read; nil if there is none.
func unreadLine(block []*node) *node {
	for _, b := range block {
		if b.Name == "include" {
			return b
		}
	}
	return nil
}

// outside are directives of the main block that need no counterpart.
var outside = words(`events user worker_processes worker_cpu_affinity worker_rlimit_nofile worker_priority pid error_log daemon master_process
	load_module pcre_jit thread_pool worker_shutdown_timeout env timer_resolution lock_file ssl_engine debug_points`)

// http takes what stands directly in http.
func (n *nginx) http(s scope) {
	for _, b := range s[0] {
		switch b.Name {
		case "upstream":
			n.upstreams[b.Text()] = b
		case "limit_req_zone":
			for _, a := range b.Args {
				if zone, ok := strings.CutPrefix(a, "zone="); ok {
					name, _, _ := strings.Cut(zone, ":")
					n.zones[name] = b
				}
			}
		case "set_real_ip_from":
			n.trust(b)
		case "server":
			n.servers = append(n.servers, n.read(b, s.in(b.Kids)))
		}
	}
	n.account(s[0], &n.d.notes)
}

// trust takes a proxy in front.
func (n *nginx) trust(b *node) { n.d.trust(b, b.Text()) }

// clients looks by what nginx learns clients' addresses: without a real_ip_header it is X-Real-IP.
func (n *nginx) clients(tree []*node) {
	var first, other, header *node
	var look func(all []*node, location bool)
	look = func(all []*node, location bool) {
		for _, b := range all {
			switch {
			case b.Name == "set_real_ip_from" && location:
				n.d.unseen(&n.d.notes, b, "for one location")
			case b.Name == "set_real_ip_from" && first == nil:
				first = b
			case b.Name == "real_ip_header":
				if header = b; !strings.EqualFold(b.Text(), "X-Forwarded-For") {
					other = b
				}
			}
			look(b.Kids, location || b.Name == "location")
		}
	}
	look(tree, false)
	switch {
	case first == nil:
	case other != nil:
		n.d.unseen(&n.d.notes, other, "addresses from another header than X-Forwarded-For")
	case header == nil:
		n.d.unseen(&n.d.notes, first, "without real_ip_header X-Forwarded-For it is X-Real-IP")
	}
}

// absolute is a path of nginx's as the file says it: from the directory of the configuration.
func (n *nginx) absolute(at *node, path string) string {
	if n.file != "-" && n.file != "" {
		return beside(n.file, path)
	}
	return beside(at.File, path)
}

// bodies sets the limit on request bodies.
func (n *nginx) bodies() {
	if len(n.body) == 0 {
		n.body = []bodyLimit{{size: 1 << 20}}
	}
	n.d.largest(n.body)
}

// bodyOf notes a limit on request bodies.
func (n *nginx) bodyOf(s scope, notes *[]Note) {
	b := s.get("client_max_body_size")
	if b == nil {
		n.body = append(n.body, bodyLimit{size: 1 << 20})
		return
	}
	size, ok := topology.Size(b.Text())
	if !ok {
		n.d.note(notes, b, "")
		return
	}
	n.body = append(n.body, bodyLimit{b, size})
}

// words splits a list of names into a set.
func words(text string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(text) {
		set[w] = true
	}
	return set
}

// account looks at what stands in a block: what has no counterpart is noted.
func (n *nginx) account(block []*node, notes *[]Note) {
	for _, b := range block {
		switch {
		case b.Name == "include": // the others are replaced by what they lead to
			n.d.note(notes, b, "it could not be read; what it may guard is answered 501")
		case b.Name == "gzip_static" && b.Text() == "off", b.Name == "real_ip_header" && strings.EqualFold(b.Text(), "X-Forwarded-For"):
			n.d.needless[b.Name] = true
		case isGuard(b.Name) && unguarded(b):
			n.d.needless[b.Name+" "+b.Text()] = true
		case isGuard(b.Name):
			n.d.note(notes, b, "what it guards is answered 501")
		case handled[b.Name]:
		case b.Name == "merge_slashes" && b.Text() != "off":
			n.d.note(notes, b, "paths are compared as they were sent")
		case onlyAs[b.Name] != "" && b.Text() == onlyAs[b.Name]:
			n.d.needless[b.Name] = true
		case n.client(b, notes):
		case needless[b.Name], outside[b.Name]:
			n.d.needless[b.Name] = true
		default:
			n.d.note(notes, b, "")
		}
	}
}

// commonTypes are types of files that every system knows.
var commonTypes = map[string]string{
	"avif": "image/avif", "css": "text/css", "gif": "image/gif", "htm": "text/html", "html": "text/html", "jpeg": "image/jpeg", "jpg": "image/jpeg", "json": "application/json",
	"mjs": "text/javascript", "pdf": "application/pdf", "png": "image/png", "svg": "image/svg+xml", "txt": "text/plain", "wasm": "application/wasm", "webp": "image/webp", "xml": "text/xml",
}

// client takes directives about what clients may take, which Whygate has one of for all, and others that matter for some values alone. It
// reports whether the directive is one of them.
func (n *nginx) client(b *node, notes *[]Note) bool {
	switch b.Name {
	case "client_header_timeout":
		n.d.limitTime(notes, b, "head_time", b.Text(), time.Second)
	case "keepalive_timeout", "client_body_timeout", "send_timeout":
		n.d.limitTime(notes, b, "idle", b.Text(), time.Second)
	case "large_client_header_buffers":
		count, err := strconv.ParseInt(b.Text(), 10, 32)
		size, ok := topology.Size(b.Arg(1))
		if err != nil || !ok || size > 1<<30 {
			n.d.note(notes, b, "")
			return true
		}
		n.d.limit(notes, b, "request_head", count*size)
	case "proxy_buffer_size", "fastcgi_buffer_size":
		if size, ok := topology.Size(b.Text()); !ok || size > 64<<10 {
			n.d.note(notes, b, "heads of answers may have 64KiB; write pools.NAME.limits.response_head")
		} else {
			n.d.needless[b.Name] = true
		}
	case "types":
		odd := func(k *node) bool {
			return slices.ContainsFunc(k.Args, func(end string) bool { return commonTypes[end] != k.Name })
		}
		if filepath.Base(b.File) != "mime.types" && slices.ContainsFunc(b.Kids, odd) {
			n.d.note(notes, b, "types of files are those that the system knows")
		}
	case "ssl_protocols":
		if !b.Has("TLSv1.2") {
			n.d.note(notes, b, "TLS 1.2 is spoken too; write min_version: 1.3")
		} else {
			n.d.needless[b.Name] = true
		}
	default:
		return false
	}
	return true
}

// handled are the directives that are translated, or told of, where they hold.
var handled = words(`server upstream location listen server_name root alias index try_files return rewrite proxy_pass grpc_pass fastcgi_pass uwsgi_pass scgi_pass
	proxy_set_header add_header allow deny auth_basic auth_basic_user_file limit_req limit_req_zone client_max_body_size error_page ssl_certificate ssl_certificate_key
	proxy_connect_timeout proxy_read_timeout proxy_send_timeout proxy_next_upstream proxy_next_upstream_tries expires proxy_intercept_errors proxy_hide_header
	proxy_ssl_verify proxy_ssl_trusted_certificate proxy_ssl_name proxy_ssl_certificate proxy_ssl_certificate_key set_real_ip_from internal if set map ssl break ssl_verify_client ssl_client_certificate ssl_verify_depth ssl_crl ssl_ocsp ssl_trusted_certificate gzip brotli disable_symlinks proxy_ssl_crl
	grpc_set_header grpc_read_timeout grpc_connect_timeout grpc_send_timeout fastcgi_param fastcgi_index fastcgi_split_path_info default_type fastcgi_hide_header fastcgi_intercept_errors grpc_hide_header fastcgi_read_timeout fastcgi_send_timeout fastcgi_connect_timeout`)

// needless are directives that have no counterpart, since Whygate does it by itself, or has nothing of the kind.
var needless = words(`fastcgi_temp_path uwsgi_temp_path scgi_temp_path types_hash_max_size types_hash_bucket_size server_names_hash_bucket_size server_names_hash_max_size variables_hash_max_size variables_hash_bucket_size map_hash_bucket_size map_hash_max_size proxy_headers_hash_max_size proxy_headers_hash_bucket_size
	sendfile sendfile_max_chunk tcp_nopush tcp_nodelay aio directio output_buffers postpone_output
	access_log error_log log_format log_not_found log_subrequest rewrite_log open_log_file_cache open_file_cache open_file_cache_valid open_file_cache_min_uses open_file_cache_errors
	server_tokens merge_slashes msie_padding
	keepalive_requests keepalive_time keepalive_disable reset_timedout_connection lingering_close lingering_time lingering_timeout
	client_header_buffer_size client_body_buffer_size client_body_temp_path client_body_in_file_only client_body_in_single_buffer 	proxy_http_version proxy_buffering proxy_buffers proxy_busy_buffers_size proxy_request_buffering proxy_max_temp_file_size proxy_temp_file_write_size proxy_temp_path proxy_socket_keepalive proxy_ignore_client_abort 	proxy_ssl_server_name proxy_ssl_session_reuse proxy_ssl_verify_depth proxy_ssl_protocols proxy_ssl_ciphers proxy_headers_hash_max_size proxy_pass_header
	fastcgi_buffers fastcgi_busy_buffers_size fastcgi_request_buffering fastcgi_max_temp_file_size fastcgi_buffering fastcgi_temp_file_write_size fastcgi_keep_conn fastcgi_pass_header
	ssl_session_cache ssl_session_timeout ssl_session_tickets ssl_ciphers ssl_prefer_server_ciphers ssl_ecdh_curve ssl_dhparam ssl_stapling ssl_stapling_verify ssl_buffer_size ssl_conf_command http2_max_concurrent_streams http2_push_preload
	http3 http3_max_concurrent_streams http3_stream_buffer_size quic_retry quic_gso quic_host_key quic_active_connection_id_limit
	gzip_vary gzip_min_length gzip_comp_level gzip_types gzip_proxied gzip_disable gzip_buffers gzip_http_version brotli_comp_level brotli_types brotli_min_length brotli_window brotli_buffers
	resolver proxy_cache_bypass proxy_no_cache resolver_timeout real_ip_recursive limit_req_log_level limit_conn_log_level satisfy_log `)

// onlyAs are directives that need no counterpart where they say this.
var onlyAs = map[string]string{
	"proxy_redirect": "off", "proxy_pass_request_headers": "on", "proxy_pass_request_body": "on", "underscores_in_headers": "off", "ignore_invalid_headers": "on",
	"charset": "off", "absolute_redirect": "on", "server_name_in_redirect": "off", "port_in_redirect": "on", "recursive_error_pages": "off", "http2": "on",
	"if_modified_since": "exact", "etag": "on", "limit_req_status": "429", "proxy_force_ranges": "off", "ssl_early_data": "off",
}
