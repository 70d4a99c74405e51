package daemon

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kazashi.example/central/admin"
	"kazashi.example/central/crl"
)

// metrics exposes the counts. Nothing names a person, a card, a service, a site or a box (P3).
type metrics struct {
	registry *prometheus.Registry
	counts   []count
}

// count is one number of the status.
type count struct {
	gauge prometheus.Gauge
	of    func(admin.Status) int64
}

// setMetrics describe the revocation sets in force, by scope.
type setMetrics struct {
	store *crl.Store
	now   func() time.Time

	number, age, entries *prometheus.Desc
}

func newSetMetrics(store *crl.Store, now func() time.Time) *setMetrics {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("kazashi_central_revocation_set_"+name, help, []string{"scope"}, nil)
	}
	return &setMetrics{
		store: store, now: now, number: desc("number", "Number of the revocation set in force, within the central epoch."),
		age:     desc("age_seconds", "Since the oldest list in the revocation set in force was made."),
		entries: desc("entries", "Serials on the revocation set in force."),
	}
}

// Describe and Collect make it a prometheus.Collector.
func (m *setMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.number, m.age, m.entries} {
		to <- d
	}
}

// Collect tells of every scope that has a set.
func (m *setMetrics) Collect(to chan<- prometheus.Metric) {
	for _, of := range m.store.Scopes() {
		h, err := m.store.Head(of)
		if err != nil {
			continue
		}
		for d, v := range map[*prometheus.Desc]float64{
			m.number: float64(h.Number.N), m.age: m.now().Sub(h.At()).Seconds(), m.entries: float64(h.Entries),
		} {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, of.String())
		}
	}
}

func newMetrics(release string, sets *setMetrics) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	add := func(name, help string, of func(admin.Status) int64) {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "kazashi_central_" + name, Help: help})
		m.registry.MustRegister(g)
		m.counts = append(m.counts, count{g, of})
	}
	add("boxes", "Boxes that joined.", func(s admin.Status) int64 { return s.Boxes })
	add("boxes_quarantined", "Boxes that somebody must look at.", func(s admin.Status) int64 { return s.Quarantined })
	add("records", "Records applied.", func(s admin.Status) int64 { return s.Records })
	add("records_waiting", "Records received and not yet applied.", func(s admin.Status) int64 { return s.Waiting })
	add("records_awaiting", "Records that wait for an enrolment or a renewal to come.", func(s admin.Status) int64 { return s.Awaiting })
	add("records_set_aside", "Envelopes that do not open.", func(s admin.Status) int64 { return s.SetAside })
	add("records_settled", "Records whose final verdict the box holds durably.", func(s admin.Status) int64 { return s.Settled })
	add("records_corrected", "Records whose final verdict differs from the first.", func(s admin.Status) int64 { return s.Corrected })
	add("records_proved_pin", "Records with a PIN that central verified.", func(s admin.Status) int64 { return s.Proved.PIN })
	add("records_proved_card", "Records with a card that central verified.", func(s admin.Status) int64 { return s.Proved.Card })
	add("records_proved_card_bound", "Records with a bound key alone that central verified.", func(s admin.Status) int64 { return s.Proved.CardBound })
	add("records_proved_certificate", "Records with no more than a certificate.", func(s admin.Status) int64 { return s.Proved.Certificate })
	add("reports", "Forks and damage reported.", func(s admin.Status) int64 { return s.Reports })
	add("epochs_with_gaps", "Epochs of which records or the header are missing.", func(s admin.Status) int64 { return s.Gaps })
	add("enrolments", "Enrolments that are current.", func(s admin.Status) int64 { return s.Enrolments })
	add("renewals", "Certificates known to have taken another's place.", func(s admin.Status) int64 { return s.Renewals })
	add("conflicts", "Pairs of persons whom renewals join and nobody merged or parted.", func(s admin.Status) int64 { return s.Conflicts })
	add("records_erased", "Records whose contents were kept for long enough, and erased.", func(s admin.Status) int64 { return s.Erased })
	add("records_with_attributes", "Records with attributes of the card.", func(s admin.Status) int64 { return s.Attested })
	add("retention_as_of_timestamp_seconds", "Up to when days counted as over in the last round of erasing; 0: none yet, or no signed time.",
		func(s admin.Status) int64 { return seconds(s.RetentionAsOf) })
	add("renewals_asked_timestamp_seconds", "When the service of renewals answered last; 0: never.",
		func(s admin.Status) int64 { return seconds(s.RenewalsAsked) })
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "kazashi_central_build_info", Help: "1, with the software's version.", ConstLabels: prometheus.Labels{"version": release},
	})
	build.Set(1)
	m.registry.MustRegister(build, sets, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// seconds are Unix seconds; 0 for none.
func seconds(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.Unix()
}

// handler shows the recent count.
func (m *metrics) handler(d *Daemon) http.Handler {
	page := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		s, err := d.Recent(ctx)
		if err != nil {
			d.log.ErrorContext(ctx, "counting for the metrics failed", slog.Any("error", err))
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
			return
		}
		for _, c := range m.counts {
			c.gauge.Set(float64(c.of(s)))
		}
		page.ServeHTTP(w, r)
	})
}
