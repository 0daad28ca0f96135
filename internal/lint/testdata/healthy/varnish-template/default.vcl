vcl 4.1;

import std;

/* The backend, with a probe. */
probe healthy {
    .request =
        "GET /healthz HTTP/1.1"
        "Host: www.example.com"
        "Connection: close"
        "User-Agent: Varnish Health Probe";
    .interval = 5s;
    .timeout = 1s;
    .window = 5;
    .threshold = 3;
}

backend server1 {
    .host = "127.0.0.1";
    .port = "8080";
    .max_connections = 300;
    .probe = healthy;
    .first_byte_timeout = 300s;
    .connect_timeout = 5s;
    .between_bytes_timeout = 2s;
}

acl purge {
    "localhost";
    "127.0.0.1";
    "::1";
}

sub vcl_recv {
    set req.url = std.querysort(req.url);
    if (req.method == "PURGE") {
        if (!client.ip ~ purge) {
            return (synth(405, "This IP is not allowed to send PURGE requests."));
        }
        return (purge);
    }
    if (req.http.Upgrade ~ "(?i)websocket") {
        return (pipe);
    }
    if (req.url ~ "^[^?]*\.(7z|avi|css|gif|js|png)(\?.*)?$") {
        unset req.http.Cookie;
        return (hash);
    }
    return (hash);
}

sub vcl_backend_response {
    if (bereq.url ~ "^[^?]*\.(css|js|png)(\?.*)?$") {
        unset beresp.http.set-cookie;
    }
    if (beresp.status == 500 || beresp.status == 502 || beresp.status == 503 || beresp.status == 504) {
        return (abandon);
    }
    set beresp.grace = 6h;
    return (deliver);
}

sub vcl_synth {
    synthetic({"<html><body>error; really</body></html>"});
    return (deliver);
}
