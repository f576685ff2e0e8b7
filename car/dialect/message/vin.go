package message

// ValidVIN says whether s is a vehicle identification number (ISO 3779: 17
// capital letters and digits without I, O and Q, not all the same) or a
// Japanese chassis number: two to seven capital letters or digits, perhaps a
// hyphen, five to seven digits (spec ingest 1.5). The check digit is not
// looked at, because only some countries use it.
func ValidVIN(s string) bool {
	if len(s) == 17 && allIn(s, vinChar) {
		for i := range len(s) {
			if s[i] != s[0] {
				return true
			}
		}
		return false
	}
	for digits := 5; digits <= 7; digits++ {
		cut := len(s) - digits
		if cut < 2 || !allIn(s[cut:], digit) {
			return false
		}
		head := s[:cut]
		if len(head) > 2 && head[cut-1] == '-' {
			head = head[:cut-1]
		}
		if len(head) >= 2 && len(head) <= 7 && allIn(head, capitalOrDigit) {
			return true
		}
	}
	return false
}

func allIn(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

func digit(c byte) bool          { return '0' <= c && c <= '9' }
func capitalOrDigit(c byte) bool { return digit(c) || 'A' <= c && c <= 'Z' }
func vinChar(c byte) bool        { return capitalOrDigit(c) && c != 'I' && c != 'O' && c != 'Q' }
