package drill

import (
	"maps"
	"slices"
)

// Findings and Problems are all that a report can hold.
func Findings() []FindingID { return slices.Sorted(maps.Keys(findingTexts)) }

// Problems are all problems.
func Problems() []ProblemID { return slices.Sorted(maps.Keys(problemTexts)) }

// Texts are all words of the printed report, in both languages.
func Texts() map[string]map[Lang]string {
	all := map[string]map[Lang]string{}
	put(all, "class ", classTexts)
	put(all, "under ", underTexts)
	put(all, "reach ", reachTexts)
	put(all, "situation ", situationTexts)
	put(all, "lie ", lieTexts)
	put(all, "identity ", identityTexts)
	put(all, "open ", openTexts)
	put(all, "problem ", problemTexts)
	put(all, "level ", levelTexts)
	put(all, "finding ", findingTexts)
	put(all, "kind ", kindTexts)
	put(all, "word ", words)
	return all
}

// CoreFoldersOf is CoreFolders for a made-up kernel.
var CoreFoldersOf = coreFolders

func put[K ~string](all map[string]map[Lang]string, what string, texts map[K]both) {
	for id, b := range texts {
		all[what+string(id)] = map[Lang]string{Japanese: b.ja, English: b.en}
	}
}
