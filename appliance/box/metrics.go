package box

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kazashi.example/localapi"
)

// metrics are counted by words of package record only: no label can name a person, a card or a tap (P3).
type metrics struct {
	registry *prometheus.Registry
	taps     *prometheus.CounterVec
	failures *prometheus.CounterVec
	lineUp   prometheus.Gauge
	waiting  prometheus.Gauge
	listAge  prometheus.Gauge
	unsafe   prometheus.Gauge
	unseen   prometheus.Gauge
	work     prometheus.Gauge
	disk     *prometheus.GaugeVec
	aside    prometheus.Gauge
}

func newMetrics(release string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		taps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kazashi_taps_total", Help: "Taps recorded, by first verdict and reason.",
		}, []string{"verdict", "reason"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kazashi_read_failures_total", Help: "Cards that did not become a tap, by cause.",
		}, []string{"cause"}),
		lineUp:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "kazashi_line_up", Help: "1 while central answers."}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{Name: "kazashi_records_waiting", Help: "Records that central does not hold yet."}),
		listAge: prometheus.NewGauge(prometheus.GaugeOpts{Name: "kazashi_list_age_seconds", Help: "Age of the revocation list."}),
		unsafe:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "kazashi_records_not_safe", Help: "Records that would be lost with this disk."}),
		unseen:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "kazashi_verdicts_unseen", Help: "Verdicts from before a restart that perhaps nobody saw."}),
		work:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "kazashi_corrections_open", Help: "Corrected verdicts that nobody has looked at."}),
		disk:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "kazashi_disk", Help: "1 for the state of the disk: ok, low or full."}, []string{"state"}),
		aside:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "kazashi_journals_set_aside", Help: "Journals that were found damaged and are still here."}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "kazashi_build_info", Help: "1, with the software's version.", ConstLabels: prometheus.Labels{"version": release},
	})
	build.Set(1)
	m.registry.MustRegister(m.taps, m.failures, m.lineUp, m.waiting, m.listAge, m.unsafe, m.unseen, m.work, m.disk, m.aside, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) line(up bool) {
	if up {
		m.lineUp.Set(1)
	} else {
		m.lineUp.Set(0)
	}
}

func (m *metrics) status(s localapi.Status) {
	m.waiting.Set(float64(s.Waiting.Records))
	m.listAge.Set(float64(s.List.AgeSeconds))
	m.unsafe.Set(float64(s.Waiting.Unsafe))
	m.unseen.Set(float64(s.Unseen))
	m.work.Set(float64(s.Work))
	m.aside.Set(float64(len(s.Journal.SetAside)))
	for _, state := range []localapi.DiskState{localapi.DiskOK, localapi.DiskLow, localapi.DiskFull} {
		is := 0.0
		if s.Journal.Disk == state {
			is = 1
		}
		m.disk.WithLabelValues(string(state)).Set(is)
	}
}
