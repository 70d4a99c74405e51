package bench

import (
	"context"
	"os"
	"path/filepath"

	"kazashi.example/central/lab/bench/stats"
	"kazashi.example/central/lab/crlgen"
)

// hashesPerRound is how often ours and sha256 run in a round: they are short.
const hashesPerRound = 3

// measureIngest runs the real program, openssl and crypto/x509 on the same file in turn.
func (r *revocationRun) measureIngest(ctx context.Context) error {
	if err := warm(r.file("list.crl"), r.file("small.crl"), r.file("shuffled.crl")); err != nil {
		return err
	}
	s := series{}
	for range r.rounds {
		if err := r.ingestRound(ctx, s); err != nil {
			return err
		}
	}
	if err := r.print(s, []figureOf{
		{"ingest_vs_openssl", "openssl/ours", "%.1f", "ratio"},
		{"ingest_vs_x509", "x509/ours", "%.1f", "ratio"},
		{"ingest_vs_sha256", "ours/sha256", "%.2f", "ratio"},
		{"ingest_s", "ours", "%.2f", "s"},
		{"ingest_cpu_s", "ours cpu", "%.2f", "s"},
		{"openssl_crl_s", "openssl", "%.2f", "s"},
		{"openssl_crl_cpu_s", "openssl cpu", "%.2f", "s"},
		{"x509_s", "x509", "%.2f", "s"},
		{"x509_cpu_s", "x509 cpu", "%.2f", "s"},
		{"openssl_sha256_s", "sha256", "%.3f", "s"},
		{"ingest_rss_mib", "ours rss", "%.1f", "MiB"},
		{"openssl_crl_rss_mib", "openssl rss", "%.0f", "MiB"},
		{"x509_rss_mib", "x509 rss", "%.0f", "MiB"},
		{"ingest_unsorted_rss_mib", "shuffled rss", "%.1f", "MiB"},
		{"ingest_unsorted_vs_sorted", "shuffled/ours", "%.2f", "ratio"},
	}); err != nil {
		return err
	}
	large, err := stats.Median(s["ours rss"])
	if err != nil {
		return err
	}
	small, err := stats.Median(s["small rss"])
	if err != nil {
		return err
	}
	r.figure("ingest_rss_growth_mib", "%.1f", large-small, "MiB")
	return nil
}

// ingestRound runs everyone once, and what is short more often.
func (r *revocationRun) ingestRound(ctx context.Context, s series) error {
	var ours []float64
	for range hashesPerRound {
		u, err := r.ingest(ctx, nil, "list.crl")
		if err != nil {
			return err
		}
		h, err := r.child(ctx, nil, "openssl", "dgst", "-sha256", r.file("list.crl"))
		if err != nil {
			return err
		}
		s.add("ours", u)
		s.add("sha256", h)
		s["ours/sha256"] = append(s["ours/sha256"], u.wall.Seconds()/h.wall.Seconds())
		ours = append(ours, u.wall.Seconds())
	}
	mine, err := stats.Median(ours)
	if err != nil {
		return err
	}
	shuffled, err := r.ingest(ctx, nil, "shuffled.crl")
	if err != nil {
		return err
	}
	small, err := r.ingest(ctx, nil, "small.crl")
	if err != nil {
		return err
	}
	s.add("shuffled", shuffled)
	s.add("small", small)
	s["shuffled/ours"] = append(s["shuffled/ours"], shuffled.wall.Seconds()/mine)
	return r.peerRound(ctx, s, mine)
}

// peerRound runs the peers that build an object.
func (r *revocationRun) peerRound(ctx context.Context, s series, mine float64) error {
	ca := r.file(filepath.Join("ca", crlgen.CertFile))
	openssl, err := r.child(ctx, nil, "openssl", "crl", "-CAfile", ca, "-in", r.file("list.crl"), "-inform", "DER", "-noout")
	if err != nil {
		return err
	}
	goes, err := r.self(ctx, nil, childX509, ca, r.file("list.crl"))
	if err != nil {
		return err
	}
	s.add("openssl", openssl)
	s.add("x509", goes)
	s["openssl/ours"] = append(s["openssl/ours"], openssl.wall.Seconds()/mine)
	s["x509/ours"] = append(s["x509/ours"], goes.wall.Seconds()/mine)
	return nil
}

// add keeps what a program took.
func (s series) add(name string, u usage) {
	s[name] = append(s[name], u.wall.Seconds())
	s[name+" cpu"] = append(s[name+" cpu"], u.cpu.Seconds())
	s[name+" rss"] = append(s[name+" rss"], u.peak)
}

// measureLarge takes a list of 1.1 GB within a small memory limit.
func (r *revocationRun) measureLarge(ctx context.Context) error {
	s := r.spec()
	s.Entries = largeEntries
	l, err := crlgen.New(s)
	if err != nil {
		return err
	}
	if err := r.write(l, "large.crl"); err != nil {
		return err
	}
	defer os.Remove(r.file("large.crl"))
	u, err := r.ingest(ctx, []string{"GOMEMLIMIT=256MiB"}, "large.crl")
	if err != nil {
		return err
	}
	r.figure("ingest_large_s", "%.2f", u.wall.Seconds(), "s")
	r.figure("ingest_large_rss_mib", "%.1f", u.peak, "MiB")
	return nil
}
