package stage

// What opens every practice box and who works there, as people type it in. All of it is made up, the demo prints it, and it protects nobody:
// here it lets tests look for it where it must not be.
const (
	OperatorCode = "himawari-3776-renshu"
	StaffID      = "s-01"
	StaffName    = "案山子 練習係"
	StaffCode    = "kasumi-5150"
)

// Numbers are the library numbers that people of the practice world have linked in stories and proofs, by person.
func Numbers() map[string]string {
	return map[string]string{"hanako": "B-1200345", "mirai": "B-1200346"}
}
