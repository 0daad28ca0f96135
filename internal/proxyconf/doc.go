// Package proxyconf reads the configuration of other proxies, as far as it says where a request goes: which route takes it,
// which upstreams that route has, which file and line say so, and where the logs are. Everything else in it is passed over.
//
// It reads, and never writes or runs anything. It must not know sockets, nor what is wrong with an upstream.
package proxyconf
