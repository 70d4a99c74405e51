package config

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// maxPartitions is as many as a revocation set can have.
const maxPartitions = 4096

// Partitions reads the file AuthPartitions; none if there is no such key. ErrConfig for a line that is no URL or stands twice, and for a
// file without any.
func (j JPKI) Partitions() ([]string, error) {
	if j.AuthPartitions == "" {
		return nil, nil
	}
	b, err := os.ReadFile(j.AuthPartitions)
	if err != nil {
		return nil, fmt.Errorf("reading auth_partitions: %w", err)
	}
	var urls []string
	number := 0
	for line := range strings.Lines(string(b)) {
		number++
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case !reachable(line):
			return nil, fmt.Errorf("%w: %s, line %d: not an HTTP address without a name or password", ErrConfig, j.AuthPartitions, number)
		case slices.Contains(urls, line):
			return nil, fmt.Errorf("%w: %s, line %d: %s stands twice", ErrConfig, j.AuthPartitions, number, line)
		case len(urls) == maxPartitions:
			return nil, fmt.Errorf("%w: %s: more than %d partitions", ErrConfig, j.AuthPartitions, maxPartitions)
		}
		urls = append(urls, line)
	}
	if len(urls) == 0 {
		return nil, fmt.Errorf("%w: %s names no partition", ErrConfig, j.AuthPartitions)
	}
	return urls, nil
}
