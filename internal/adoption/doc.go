// Package adoption translates other proxies' configurations to Whygate's own: nginx, HAProxy, Caddy and Traefik. What it cannot say in
// Whygate's words is a Note, and a comment at its place; nothing is left out silently.
//
// It must not know how the result is read or served: whoever calls it checks the result.
package adoption
