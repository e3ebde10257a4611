#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Every public function has a comment block directly above it with the keys Ownership, Threads, Blocks, Cancel
# and Origin, a @param for each of its parameters and for nothing else, and a @return unless it is void.
#
#   tools/check-docs.sh [source directory]
set -eu
cd "${1:-$(dirname "$0")/..}"

awk '
    BEGIN {
        key_count = split("Ownership Threads Blocks Cancel Origin", keys, " ")
    }

    FNR == 1 { block = ""; in_comment = 0; in_declaration = 0 }

    # A comment block is remembered until the next line that is not one.
    !in_declaration && /^\/\*\*/ { block = ""; in_comment = 1 }
    in_comment {
        block = block $0 "\n"
        if (/\*\//)
            in_comment = 0
        next
    }

    !in_declaration && (/^VIA_PUBLIC/ || /^static inline/) { in_declaration = 1; declaration = ""; line = FNR }
    in_declaration {
        declaration = declaration " " $0
        if (!/[;{]/ && !/\)[^,]*$/)
            next
        if (count_of(declaration, "(") == 0 || count_of(declaration, "(") != count_of(declaration, ")"))
            next
        in_declaration = 0
        check_function(declaration, block)
        block = ""
        next
    }

    { block = "" }

    function count_of(text, character,    copy) {
        copy = text
        return gsub("[" character "]", "", copy)
    }

    function complain(text) {
        print FILENAME ":" line ": " text
        bad = 1
    }

    # Takes the first balanced pair of parentheses apart at its top-level commas.
    function split_parameters(text, parameter,    i, depth, n, c, piece) {
        n = 0
        depth = 0
        piece = ""
        for (i = index(text, "("); i <= length(text); i++) {
            c = substr(text, i, 1)
            if (c == "(" && depth++ == 0)
                continue
            if (c == ")" && --depth == 0)
                break
            if (c == "," && depth == 1) {
                parameter[++n] = piece
                piece = ""
            } else {
                piece = piece c
            }
        }
        parameter[++n] = piece
        return n
    }

    function name_of(parameter,    name) {
        name = parameter
        if (match(name, /\(\*[a-z_0-9]+\)/))
            return substr(name, RSTART + 2, RLENGTH - 3)
        sub(/\[.*/, "", name)
        sub(/[ \t]+$/, "", name)
        sub(/.*[^a-z_0-9A-Z]/, "", name)
        return name
    }

    function check_function(text, doc,    name, head, n, i, parameter, word, seen, rest) {
        functions++
        head = text
        sub(/\(.*/, "", head)
        name = head
        sub(/.*[ *]/, "", name)
        if (name !~ /^via_[a-z]/)
            complain(name " is public but not called via_*")
        if (doc == "") {
            complain(name " has no comment block directly above it")
            return
        }
        for (i = 1; i <= key_count; i++)
            if (doc !~ ("\n \\* - " keys[i] ": [^\n]"))
                complain(name " does not say \"" keys[i] ":\"")
        n = split_parameters(text, parameter)
        for (i = 1; i <= n; i++) {
            word = name_of(parameter[i])
            if (word == "void" || word == "" || parameter[i] ~ /\.\.\./)
                continue
            seen[word] = 1
            if (doc !~ ("@param " word "[ \n]"))
                complain(name " does not describe its parameter " word)
        }
        rest = doc
        while (match(rest, /@param [a-z_0-9]+/)) {
            word = substr(rest, RSTART + 7, RLENGTH - 7)
            if (!(word in seen))
                complain(name " describes " word ", which is not a parameter")
            rest = substr(rest, RSTART + RLENGTH)
        }
        check_return(name, head, doc)
    }

    function check_return(name, head, doc,    is_void) {
        is_void = head ~ /(^| )void [a-z_0-9]+$/
        if (!is_void && doc !~ /@return /)
            complain(name " does not describe what it returns")
        if (is_void && doc ~ /@return /)
            complain(name " describes what it returns, but is void")
    }

    END {
        if (functions == 0) {
            print "no public function found"
            bad = 1
        }
        exit bad
    }
' include/viaduct.h include/viaduct/*.h include/viaduct/*.h.in
