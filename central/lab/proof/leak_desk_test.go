package proof_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"kazashi.example/central/lab/proof/leak"
	"kazashi.example/central/lab/proof/rig"
	"kazashi.example/central/lab/stage"
	"kazashi.example/localapi"
)

// deskSecrets adds what opens the site and what is under its keys.
func deskSecrets(s *leak.Search) error {
	err := errors.Join(codes(s), s.Text("staff's name", stage.StaffName))
	for key, number := range numbers {
		err = errors.Join(err, s.Text(key+"'s number", number))
	}
	return err
}

// codes adds what people type in at the desk and nobody keeps.
func codes(s *leak.Search) error {
	return errors.Join(s.Text("operator's code", stage.OperatorCode), s.Text("staff code", stage.StaffCode))
}

// powerCut links numbers without a line, cuts the power, and tries a locked box before it is opened and goes on. It returns an image of
// the disk at the cut.
func powerCut(t *testing.T, b *rig.Box, answers map[string][]byte) (image string) {
	t.Helper()
	for key, number := range numbers {
		b.Link(key, number)
	}
	image = b.Image("cut")
	b.Stop()
	b.PutBack(image)
	b.Start()
	b.Keys(localapi.KeysLocked)
	locked := map[string][]byte{}
	ask(t, locked, "tcp", b.Counter(), boxPaths(409))
	for path, answer := range locked {
		answers[path+" of a locked box"] = answer
	}
	if _, err := b.Client().SignIn(t.Context(), localapi.NewSecret(stage.StaffCode)); !errors.Is(err, localapi.ErrLocked) {
		t.Errorf("SignIn at a locked box = %v, want %v", err, localapi.ErrLocked)
	}
	wrongCode(t, b.Client())
	taps(b, "hanako")
	b.Unlock()
	b.SignIn()
	taps(b, "hanako", "mirai", "pin taro")
	return image
}

// told takes the numbers out of the verdicts of a stream, and wants them to have been there.
func told(t *testing.T, live []byte) []byte {
	t.Helper()
	var rest bytes.Buffer
	seen := map[string]bool{}
	for line := range bytes.Lines(live) {
		var e struct{ Type, Number string }
		data, isData := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data: "))
		if isData && json.Unmarshal(data, &e) == nil && e.Type == "verdict" && e.Number != "" {
			seen[e.Number] = true
			line = bytes.Replace(line, []byte(e.Number), nil, 1)
		}
		rest.Write(line)
	}
	for key, number := range numbers {
		if !seen[number] {
			t.Errorf("the number of %s did not come live: a leak of it could not be told from its absence", key)
		}
	}
	return rest.Bytes()
}

// withoutStaff takes the name out of where the status says who is signed in.
func withoutStaff(answer []byte) []byte {
	who := []byte(`"staff":{"id":"` + stage.StaffID + `","name":"`)
	return bytes.ReplaceAll(answer, append(bytes.Clone(who), stage.StaffName...), who)
}
