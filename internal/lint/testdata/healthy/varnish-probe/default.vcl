vcl 4.1;
import std;
probe health { .url = "/health"; .timeout = 2s; .interval = 5s; .window = 5; .threshold = 3; }
backend default { .host = "127.0.0.1"; .port = "8080"; .first_byte_timeout = 60s; .connect_timeout = 5s; .probe = health; }
sub vcl_recv { if (req.url ~ "^/admin") { return (pass); } }
sub vcl_backend_response { if (beresp.status >= 500) { set beresp.uncacheable = true; set beresp.ttl = 0s; return (deliver); } set beresp.grace = 1h; }
