// Package kubernetes walks from an Ingress, an HTTPRoute or a Service to the containers behind it, and says which link is broken: the class
// or the gateway that serves it, its certificates, the Service and its port, the EndpointSlices, the pods, their probes and their last end.
//
// It reads through the API server with the user's own rights, by GET and LIST alone, within the limits below, and what may not be read is
// said to be unread. The facts are gathered first; Judge is pure, and weighs them all. Of a Secret only the type, the names of its keys and
// tls.crt are looked at. It must not know the terminal, and it asks no pod anything: package diagnose does that.
package kubernetes
