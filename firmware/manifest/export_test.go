package manifest

// FromFile is what ReadFile makes of the build information in a file.
var FromFile = fromFile

// Words is the splitter of linker flags.
var Words = words
