package compare

// schemaArea is not there yet: everything of it is missing, so that nobody takes it for equal.
func schemaArea(Input) areaFindings {
	a := area(Schema)
	a.miss("schemas are not compared by this version", "")
	return *a
}
