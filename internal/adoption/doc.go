// Package adoption translates other proxies' configurations to Whygate's own: nginx, HAProxy, Caddy, Traefik and Apache. What it cannot say in
// Whygate's words is a Note, and a comment at its place; nothing is left out silently.
//
// It must not know how the result is served. That Whygate takes it, it has the configuration's own parser say; whether a file that it names
// is there, whoever calls it finds out.
package adoption
