# SPDX-License-Identifier: BSD-3-Clause
# Applies the rules on standard input, "PREFIX: WHAT...", to the files named in the file LIST and
# prints FILE:LINE: and the fault of each include that breaks them. See check-includes.sh.

function exists(path,    line, there) {
	there = (getline line < path) >= 0
	close(path)
	return there
}

# "dir/" and "<lib" allow all that begins so, other words just themselves.
function fits(what, word) {
	if (word ~ /\/$/ || word ~ /^<[^>]*$/)
		return index(what, word) == 1
	return what == word
}

function may(rule, what,    n, i, word) {
	n = split(allow[rule], word, " ")
	for (i = 1; i <= n; i++)
		if (fits(what, word[i]))
			return 1
	return 0
}

function rule_of(path,    best, prefix) {
	best = ""
	for (prefix in allow)
		if (index(path, prefix) == 1 && length(prefix) > length(best))
			best = prefix
	return best
}

# A library that some layer uses is not for the others; what is no library is libc or Linux.
function is_library(what,    lib) {
	for (lib in library)
		if (fits(what, lib))
			return 1
	return 0
}

function fault(what) {
	print file ":" line_number ": " what
}

function check_angle(rule, what) {
	if (what ~ /^<(libdvm|shm|sched|daemon|kvm-node|examples|tests)\//)
		fault(what " is ours: write it with quotes")
	else if (what ~ /^<dvm\//) {
		if (!may(rule, what) && !may(rule, substr(what, 2, length(what) - 2)))
			fault(what " is not for " rule)
	} else if (is_library(what) && !may(rule, what))
		fault(what " is not for " rule)
}

# Generated files (.pb-c.h, .inc) need not be there.
function check_quoted(rule, what) {
	if (what == "config.h") {
		if (rule ~ /^(examples|libdvm\/include)/)
			fault("config.h is not installed")
	} else if (what !~ /\.(pb-c\.h|inc)$/ && !exists(what) && !exists("libdvm/include/" what))
		fault("\"" what "\" is not relative to the root, or missing")
	else if (!may(rule, what))
		fault("\"" what "\" is not for " rule)
}

function check_file(rule) {
	while ((getline line < file) > 0) {
		line_number++
		if (line !~ /^[ \t]*#[ \t]*include/)
			continue
		if (match(line, /<[^>]*>/))
			check_angle(rule, substr(line, RSTART, RLENGTH))
		else if (match(line, /"[^"]*"/))
			check_quoted(rule, substr(line, RSTART + 1, RLENGTH - 2))
	}
	close(file)
}

{
	prefix = substr($1, 1, length($1) - 1)
	allow[prefix] = substr($0, length($1) + 1)
	for (i = 2; i <= NF; i++)
		if ($i ~ /^<./ && $i !~ /^<dvm\//)
			library[$i]
}

END {
	while ((getline file < list) > 0) {
		rule = rule_of(file)
		line_number = 0
		if (rule == "")
			fault("no rule for this directory")
		else
			check_file(rule)
	}
}
