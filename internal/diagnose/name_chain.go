package diagnose

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/whygate/whygate/internal/words"
)

// AliasChain is how far a name's aliases lead, where they lead to no address.
type AliasChain struct {
	Names []string `json:"names"` // the name itself, then each target
	Why   string   `json:"why"`   // what is wrong with the last
}

// aliasesMax is how many aliases are followed: resolvers give up at some ten.
const aliasesMax = 8

// chase follows a name's aliases one by one, by asking for each, until a link is broken; nil where the name is no alias. It counts its
// questions.
func chase(ctx context.Context, server, name string) (*AliasChain, int) {
	c := &AliasChain{}
	asked := 0
	for name = strings.TrimSuffix(strings.ToLower(name), "."); ; {
		loop := slices.Contains(c.Names, name)
		c.Names = append(c.Names, name)
		switch {
		case loop:
			c.Why = "the aliases go round in a circle"
			return c, asked
		case len(c.Names) > aliasesMax+1:
			c.Why = fmt.Sprintf("there are more than %d aliases", aliasesMax)
			return c, asked
		}
		asked++
		a := ask(ctx, server, name, dns.TypeCNAME, false)
		switch {
		case !a.Answered:
			c.Why = name + " is not answered for"
		case a.rcode == dns.RcodeNameError:
			c.Why = name + " does not exist"
		case a.rcode != dns.RcodeSuccess:
			c.Why = server + " says " + a.RCode + " for " + name
		case len(a.Aliases) > 0:
			name = strings.ToLower(a.Aliases[0])
			continue
		default:
			c.Why = name + " has no address"
		}
		if len(c.Names) == 1 {
			return nil, asked
		}
		return c, asked
	}
}

// words say the chain in a sentence.
func (c *AliasChain) words() string {
	text := c.Names[0] + " is an alias of " + c.Names[1]
	for _, n := range c.Names[2:] {
		text += ", that of " + n
	}
	return text + ": " + c.Why
}

// chaseAliases looks for the broken link of a name that gave no address, at the first server that answers.
func (n *Name) chaseAliases(ctx context.Context) {
	for _, s := range n.Servers {
		if s.A.Answered {
			chain, asked := chase(ctx, s.Server, s.A.Name)
			n.Aliases, n.asked = chain, n.asked+asked
			return
		}
	}
}

// refineName says in the sentence which link of a name is broken.
func refineName(w *Walk, f *finding) {
	n := w.Name
	for _, s := range n.Servers {
		if s.A.Truncated && !s.A.Answered {
			how := "does not answer by TCP"
			if s.A.Errno != "" {
				how = "takes no TCP (" + s.A.Errno + ")"
			}
			f.sentence = fmt.Sprintf("%s's answer for %s does not fit a datagram, and it %s: the name has no address here", s.Server, n.Host, how)
			f.proof = append(f.proof, "by UDP the answer comes truncated (TC), which asks for the same by TCP")
			f.advice = append(f.advice, "Let TCP port 53 through to "+s.Server+", in every firewall on the way: DNS needs both.")
			return
		}
	}
	if n.Aliases != nil {
		f.sentence = n.Aliases.words()
		f.advice = append(f.advice, "Mend or remove the alias at whoever serves "+n.Aliases.Names[len(n.Aliases.Names)-2]+": what it leads to is gone, or never was there.")
	}
}

// hostsFileWords say that the address comes from the hosts file and DNS has another, empty where it does not.
func (n *Name) hostsFileWords() string {
	if n == nil || !n.HostsDiffer {
		return ""
	}
	for _, s := range n.Servers {
		if s.A.Answered && len(s.A.Addresses)+len(s.AAAA.Addresses) > 0 {
			return fmt.Sprintf("the hosts file of this machine has %s for %s, and DNS says %s", words.List(n.HostsFile, 2), n.Host, words.List(slices.Concat(s.A.Addresses, s.AAAA.Addresses), 2))
		}
	}
	return ""
}

// wildcardLabel is a label that nobody has made a name of.
const wildcardLabel = "whygate-asks-nobodys-name"

// probeWildcard reports whether any name beside the host's has its addresses: a typing error would not show then. It gives the wildcard,
// empty where there is none.
func (n *Name) probeWildcard(ctx context.Context) string {
	_, parent, found := strings.Cut(strings.TrimSuffix(n.Host, "."), ".")
	if !found || !strings.Contains(parent, ".") || len(n.HostsFile) > 0 {
		return ""
	}
	for _, s := range n.Servers {
		if !s.A.Answered || len(s.A.Addresses) == 0 {
			continue
		}
		n.asked++
		a := ask(ctx, s.Server, wildcardLabel+"."+parent, dns.TypeA, false)
		if a.Answered && len(a.Addresses) > 0 && slices.Equal(slices.Sorted(slices.Values(a.Addresses)), slices.Sorted(slices.Values(s.A.Addresses))) {
			return "*." + parent
		}
		return ""
	}
	return ""
}

// wildcardWords say that a name may be a typing error, empty where it is a name of its own.
func (n *Name) wildcardWords() string {
	if n == nil || n.Wildcard == "" {
		return ""
	}
	return "any name below " + strings.TrimPrefix(n.Wildcard, "*.") + " has this address (a wildcard in DNS): " + n.Host + " may be a typing error"
}
