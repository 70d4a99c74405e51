package tap

// OnBirthday is onBirthday.
var OnBirthday = onBirthday
