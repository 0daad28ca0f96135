package adoption

import "github.com/whygate/whygate/internal/topology"

func fromTraefik(d *draft, p *topology.Proxy) {}
