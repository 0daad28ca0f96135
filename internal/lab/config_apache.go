package lab

import (
	"fmt"
	"path/filepath"
	"strings"
)

// apacheModules are what the configuration needs, beside what Debian builds in.
var apacheModules = []string{
	"mpm_event", "authz_core", "proxy", "proxy_http", "proxy_http2", "proxy_balancer", "lbmethod_byrequests", "slotmem_shm", "ssl", "socache_shmcb",
}

func apache() *Proxy {
	return &Proxy{
		Name: "apache", Title: "Apache httpd", Package: "apache2", programs: []string{"apache2", "httpd"}, version: []string{"-v"},
		config:  func(s *Setup) []file { return []file{{"apache.conf", apacheConfig(s)}} },
		command: func(s *Setup) []string { return []string{"-DFOREGROUND", "-f", filepath.Join(s.Dir, "apache.conf")} },
	}
}

func apacheConfig(s *Setup) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Apache httpd before the lab's upstreams: /NAME/ reaches each. Made by: whygate lab config apache
ServerRoot %[1]s
ServerName lab.test
PidFile %[1]s/apache.pid
DefaultRuntimeDir %[1]s
ErrorLog %[1]s/error.log
Listen %[2]s
`, s.Dir, s.Listen)
	for _, m := range apacheModules {
		fmt.Fprintf(&b, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", m, m)
	}
	fmt.Fprintf(&b, `ProxyTimeout %s
SSLProxyEngine on
SSLProxyVerify require
SSLProxyVerifyDepth 3
SSLProxyCACertificateFile %s
SSLProxyProtocol -all +TLSv1.2 +TLSv1.3
`, seconds(answerTime), s.Lab.CA())
	for _, sc := range s.Scenarios {
		options := fmt.Sprintf("connectiontimeout=%s timeout=%s retry=0", seconds(connectTime), seconds(answerTime))
		all := s.endpoints(sc)
		if len(all) == 1 {
			url := apacheURL(&all[0])
			if sc.At.Shows {
				fmt.Fprintf(&b, "<Proxy \"%s/*\">\n    SSLProxyMachineCertificateFile %s\n</Proxy>\n", url, filepath.Join(s.Lab.dir, clientBoth))
			}
			if sc.At.Lists {
				fmt.Fprintf(&b, "<Proxy \"%s/*\">\n    SSLProxyCARevocationFile %s\n    SSLProxyCARevocationCheck chain\n</Proxy>\n", url, s.Lab.CRL())
			}
			fmt.Fprintf(&b, "ProxyPass \"/%s/\" \"%s/%s/\" %s\n", sc.Name, url, sc.Name, options)
			continue
		}
		fmt.Fprintf(&b, "<Proxy \"balancer://%s\">\n", sc.Name)
		for i := range all {
			fmt.Fprintf(&b, "    BalancerMember \"%s\" %s\n", apacheURL(&all[i]), options)
		}
		fmt.Fprintf(&b, "</Proxy>\nProxyPass \"/%s/\" \"balancer://%s/%s/\"\n", sc.Name, sc.Name, sc.Name)
	}
	return b.String()
}

// apacheURL is the endpoint's URL. A certificate is verified against the URL's host, so that it is one of its names.
func apacheURL(e *endpoint) string {
	switch {
	case e.Unix != "":
		return "unix:" + e.Unix + "|http://localhost"
	case e.Scheme == "https":
		return "https://localhost:" + e.Port
	}
	return e.url()
}
