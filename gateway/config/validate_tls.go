package config

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"sluice/gateway/internal/certs"
)

// tls checks a listener's TLS, whose key path is key, and reads all its files:
// what a start or a reload would trip over is said here.
func (l *loader) tls(n TLS, key string) {
	between(l, join(key, "handshake_timeout"), n.HandshakeTimeout, Duration(10*time.Millisecond), Duration(10*time.Minute))
	between(l, join(key, "max_handshakes"), n.MaxHandshakes, 1, large)
	if len(n.Certificates) == 0 {
		without := "has no effect without tls.certificates: add one, or leave this out"
		l.check(n.ClientAuth == ClientAuthNone, join(key, "client_auth"), without, join(key, "certificates"))
		l.check(n.ClientCAFile == "", join(key, "client_ca_file"), without, join(key, "certificates"))
		l.check(len(n.TicketKeyFiles) == 0, join(key, "ticket_key_files"), without, join(key, "certificates"))
		return
	}
	if len(n.Certificates) > maxElements {
		l.check(false, join(key, "certificates"), tooMany)
		return
	}
	for i, c := range n.Certificates {
		l.certificate(c, item(join(key, "certificates"), i))
	}
	l.clientAuth(n, key)
	l.ticketKeys(n, key)
}

// certificate checks one certificate and its key.
func (l *loader) certificate(c Certificate, key string) {
	certFile, keyFile := join(key, "cert_file"), join(key, "key_file")
	l.check(c.CertFile != "", certFile, "is required: a PEM file with the certificate")
	l.check(c.KeyFile != "", keyFile, "is required: a PEM file with the certificate's key")
	if c.CertFile == "" || c.KeyFile == "" {
		return
	}
	pair, err := certs.Load(c.CertFile, c.KeyFile)
	if wrong := (*certs.KeyError)(nil); errors.As(err, &wrong) {
		l.check(false, keyFile, show(c.KeyFile)+" "+err.Error())
		return
	}
	if err != nil {
		l.check(false, certFile, show(c.CertFile)+" "+err.Error())
		return
	}
	if m := certs.Validity(pair, time.Now()); m != "" {
		l.warn(certFile, show(c.CertFile)+" "+m)
	}
	l.private(keyFile, c.KeyFile)
}

// clientAuth checks what is asked of clients.
func (l *loader) clientAuth(n TLS, key string) {
	file := join(key, "client_ca_file")
	if n.ClientAuth == ClientAuthNone {
		l.check(n.ClientCAFile == "", file, "has no effect with tls.client_auth none: set that to request or require", join(key, "client_auth"))
		return
	}
	if n.ClientCAFile == "" {
		l.check(false, file, "is required with tls.client_auth "+string(n.ClientAuth)+": a PEM file with the authorities that sign client certificates",
			join(key, "client_auth"))
		return
	}
	if _, _, err := certs.Pool(n.ClientCAFile); err != nil {
		l.check(false, file, show(n.ClientCAFile)+" "+err.Error())
	}
}

// maxTicketKeys bounds the ticket keys that are tried for each ticket.
const maxTicketKeys = 16

func (l *loader) ticketKeys(n TLS, key string) {
	files := join(key, "ticket_key_files")
	l.check(n.Tickets || len(n.TicketKeyFiles) == 0, files, "has no effect with tls.tickets false", join(key, "tickets"))
	l.check(len(n.TicketKeyFiles) <= maxTicketKeys, files, "must have at most 16 elements")
	for i, f := range n.TicketKeyFiles {
		if _, err := certs.TicketKey(f, nil); err != nil {
			l.check(false, item(files, i), show(f)+" "+err.Error())
			continue
		}
		l.private(item(files, i), f)
	}
}

// Prefixes are addresses and CIDRs as netip has them. Those that are not valid
// are left out: Load refuses them.
func Prefixes(texts []string) []netip.Prefix {
	var list []netip.Prefix
	for _, t := range texts {
		if p, problem := prefix(t); problem == "" {
			list = append(list, p)
		}
	}
	return list
}

// prefix is an address or a CIDR of proxies, or what is wrong with it.
func prefix(text string) (p netip.Prefix, problem string) {
	const form = "must be an address or a CIDR, such as 10.0.0.5 or 10.0.0.0/8, not "
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return p, form + show(text)
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), ""
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return p, form + show(text)
	}
	if p != p.Masked() {
		return p, show(text) + " has bits behind its length: do you mean " + p.Masked().String() + "?"
	}
	if p.Bits() < 8 && p.Addr().Is4() || p.Bits() < 7 {
		return p, show(text) + " covers strangers: whoever is in it may say that it is anybody; name the load balancers"
	}
	return p, ""
}

// proxies checks who may speak for others.
func (l *loader) proxies(list []string, key string) {
	if len(list) > maxElements {
		l.check(false, key, tooMany)
		return
	}
	for i, text := range list {
		_, m := prefix(text)
		l.check(m == "", item(key, i), m)
	}
}
