package config

import (
	"slices"
	"strings"
)

// templateMax is the longest text with variables, in bytes.
const templateMax = 2 << 10

// parseTarget reads where a redirect leads.
func parseTarget(k *key, s string) (any, *trouble) {
	if !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "http://") && !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "$") {
		return nil, k.not(s, "write https://$host$uri, /new/$rest or https://example.com/")
	}
	return visibleText(k, s)
}

// parseRewritten reads a path to ask for.
func parseRewritten(k *key, s string) (any, *trouble) {
	if !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "$") {
		return nil, k.not(s, "write /new/$rest, /index.php?q=$path or $1")
	}
	return visibleText(k, s)
}

func visibleText(k *key, s string) (any, *trouble) {
	if len(s) > templateMax || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, k.not(s, "write it without spaces, and in percent what a URL cannot have: %20")
	}
	return s, nil
}

// parseAnswerBody reads the body of an answer.
func parseAnswerBody(_ *key, s string) (any, *trouble) {
	if len(s) > 64<<10 {
		return nil, &trouble{"must have 64KiB at most", "serve a file: files: {root: ...}"}
	}
	return s, nil
}

// parseCGIAddress reads where an application listens.
func parseCGIAddress(k *key, s string) (any, *trouble) {
	v, t := parseAddress(k, strings.TrimPrefix(s, "fastcgi://"))
	if t != nil {
		return nil, &trouble{t.message, "write fastcgi://127.0.0.1:9000 or unix:/run/php/php-fpm.sock"}
	}
	if a := v.(Address); a.Network != "unix" && (a.Network != "tcp" || strings.HasPrefix(a.Address, ":") || strings.HasSuffix(a.Address, ":0")) {
		return nil, k.not(s, "write fastcgi://127.0.0.1:9000 or unix:/run/php/php-fpm.sock")
	}
	return v, nil
}

// parseFileName reads a name without a directory.
func parseFileName(k *key, s string) (any, *trouble) {
	if s == "" || s == "." || s == ".." || strings.ContainsAny(s, "/\\\x00") {
		return nil, k.not(s, "write it without a directory: index.html")
	}
	return s, nil
}

// parseMissing reads what becomes of a path without a file.
func parseMissing(k *key, s string) (any, *trouble) {
	if slices.Contains(k.choices, s) {
		return s, nil
	}
	if !strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") {
		return nil, k.not(s, "write 404, next or /index.html")
	}
	if t := plainPath(s); t != nil {
		return nil, t
	}
	return s, nil
}

// parsePrintable reads what stands in a header.
func parsePrintable(k *key, s string) (any, *trouble) {
	if s == "" || len(s) > 200 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
		return nil, k.not(s, "without quotes and backslashes, 200 characters at most")
	}
	return s, nil
}
