/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Mistakes in a configuration file: each is refused, word for word.
 */
#include "config-file.h"

TestSuite(config_mistakes, .init = make_file, .fini = remove_file, .timeout = 60);

static const struct {
	const char *text, *sentence;
} bad[] = {
	/* keys */
	{IN_RX("page-sze = 2 MiB"),
	 "FILE:2: key 'page-sze' is not known: did you mean 'page-size'?"},
	{IN_RX("page_size = 2 MiB"),
	 "FILE:2: key 'page_size' is not known: did you mean 'page-size'?"},
	{IN_RX("Frames = 3"), "FILE:2: key 'Frames' is not known: did you mean 'frames'?"},
	{IN_RX("farmes = 3"), "FILE:2: key 'farmes' is not known: did you mean 'frames'?"},
	{IN_RX("numbers = yes"), "FILE:2: key 'numbers' is not known: the nearest is 'name'"},
	{IN_RX("]= 3"), "FILE:2: key ']' is not known: the nearest is 'min'"},
	{IN_RX("= 3"), "FILE:2: key '' is not known: the nearest is 'min'"},
	{IN_RX("\033[1m = 3"), "FILE:2: key '?[1m' is not known: the nearest is 'name'"},
	{"frames = 3\n[pool rx]\n",
	 "FILE:1: key 'frames' stands before the first section: begin with [pool NAME]"},
	{IN_RX("frames = 3\n\n# and\nframes = 3"), "FILE:5: key 'frames' stands on line 2 already"},
	{IN_RX("dump = no\ndump = no"), "FILE:3: key 'dump' stands on line 2 already"},
	{IN_RX("frames = 3\nsize = 3 MiB"),
	 "FILE:3: size says what frames on line 2 says: leave one of them out"},
	{IN_RX("max-size = 4 MiB\nmax-frames = 3"),
	 "FILE:3: max-frames says what max-size on line 2 says: leave one of them out"},
	/* lines and sections */
	{IN_RX("frames"), "FILE:2: 'frames' is not KEY = VALUE, nor [pool NAME], nor a comment"},
	{IN_RX("frames\nframes = 3"),
	 "FILE:2: 'frames' is not KEY = VALUE, nor [pool NAME], nor a comment"},
	{IN_RX("[pool tx"), "FILE:2: '[pool tx' is not [pool NAME]"},
	{IN_RX("[pool tx] frames = 3"), "FILE:2: '[pool tx] frames = 3' is not [pool NAME]"},
	{"[pool 12345678901234567890123456789012345678901234567890]\n",
	 "FILE:1: '[pool 1234567890123456789012345678901234...' is not [pool NAME]"},
	{"[pool 12345678901234567890123456789012]\n",
	 "FILE:1: the name '12345678901234567890123456789012' is too long: at most 31 characters"},
	{"[pool]\n", "FILE:1: '' is no pool's name: write [pool NAME], with letters, digits, '.', "
		     "'_' and '-' in NAME"},
	{"[pool a b]\n",
	 "FILE:1: 'a b' is no pool's name: write [pool NAME], with letters, digits, "
	 "'.', '_' and '-' in NAME"},
	{"[pol rx]\n", "FILE:1: section [pol rx] is not known: did you mean '[pool rx]'?"},
	{"[Pool rx]\n", "FILE:1: section [Pool rx] is not known: did you mean '[pool rx]'?"},
	{"[rx]\n", "FILE:1: section [rx] is not known: did you mean '[pool rx]'?"},
	{"[pools]\n", "FILE:1: section [pools] is not known: did you mean '[pool NAME]'?"},
	{"[pool rx]\n[pool tx]\n[pool rx]\n", "FILE:3: [pool rx] stands on line 1 already"},
	{"", "FILE: no section [pool rx]; there is none at all"},
	{"[pool tx]\n", "FILE: no section [pool rx]; there are [pool tx]: did you mean 'tx'?"},
	{"[pool control]\n[pool rx0]\n",
	 "FILE: no section [pool rx]; there are [pool control], [pool rx0]: did you mean 'rx0'?"},
	/* a mistake in somebody else's section is one, too */
	{IN_RX("frames = 3\n[pool tx]\nsiez = 3 MiB"),
	 "FILE:4: key 'siez' is not known: did you mean 'size'?"},
	{"[pool tx]\nnode = -1\n" IN_RX("frames = 3"),
	 "FILE:2: node is '-1': the number of a NUMA node, or any"},
	/* sizes */
	{IN_RX("size = 256 MB"), "FILE:2: size is '256 MB': units are KiB, MiB and GiB"},
	{IN_RX("size = 256 mib"), "FILE:2: size is '256 mib': units are KiB, MiB and GiB"},
	{IN_RX("size = 256"), "FILE:2: size is '256': units are KiB, MiB and GiB"},
	{IN_RX("size = 1.5 GiB"), "FILE:2: size is '1.5 GiB': units are KiB, MiB and GiB"},
	{IN_RX("size = much"), "FILE:2: size is 'much': a whole number and a unit, as in 256 MiB"},
	{IN_RX("size = -1 GiB"),
	 "FILE:2: size is '-1 GiB': a whole number and a unit, as in 256 MiB"},
	{IN_RX("size = 18446744073709551616 KiB"), "FILE:2: size is '18446744073709551616 KiB': a "
						   "whole number and a unit, as in 256 MiB"},
	{IN_RX("size = 0 GiB"), "FILE:2: size is '0 GiB': a multiple of 4 KiB, and not 0"},
	{IN_RX("size = 3 KiB"), "FILE:2: size is '3 KiB': a multiple of 4 KiB, and not 0"},
	{IN_RX("size = 8193 GiB"), "FILE:2: size is '8193 GiB': at most 8192 GiB"},
	{IN_RX("size ="), "FILE:2: size has no value: give it one, or leave it out"},
	{IN_RX("size = ; 3 MiB"), "FILE:2: size has no value: give it one, or leave it out"},
	{IN_RX("page-size = 2M"), "FILE:2: page-size is '2M': units are KiB, MiB and GiB"},
	/* numbers */
	{IN_RX("frames = 0"),
	 "FILE:2: frames is '0': a whole number from 1 to 2147483648, without a unit"},
	{IN_RX("frames = 2147483649"),
	 "FILE:2: frames is '2147483649': a whole number from 1 to 2147483648, without a unit"},
	{IN_RX("frames = 256 MiB"),
	 "FILE:2: frames is '256 MiB': a whole number from 1 to 2147483648, without a unit"},
	{IN_RX("frames = 0x10"),
	 "FILE:2: frames is '0x10': a whole number from 1 to 2147483648, without a unit"},
	{IN_RX("frames = 3 # three"),
	 "FILE:2: frames is '3 # three': a whole number from 1 to 2147483648, without a unit"},
	{IN_RX("sample = 4294967296"),
	 "FILE:2: sample is '4294967296': a whole number from 0 to 4294967295, without a unit"},
	{IN_RX("timeout-ms = 0"),
	 "FILE:2: timeout-ms is '0': a whole number from 1 to 4294967295, without a unit"},
	/* others */
	{IN_RX("node = all"), "FILE:2: node is 'all': the number of a NUMA node, or any"},
	{IN_RX("node = 2147483647"),
	 "FILE:2: node is '2147483647': the number of a NUMA node, or any"},
	{IN_RX("min = 101 %"),
	 "FILE:2: min is '101 %': a number of frames, a percentage of them as in 5 %, or none"},
	{IN_RX("min = 2 MiB"),
	 "FILE:2: min is '2 MiB': a number of frames, a percentage of them as in 5 %, or none"},
	{IN_RX("min = -1"),
	 "FILE:2: min is '-1': a number of frames, a percentage of them as in 5 %, or none"},
	{IN_RX("grow-rate = 100"),
	 "FILE:2: grow-rate is '100': units are MiB/s and GiB/s, as in 100 MiB/s, or it is none"},
	{IN_RX("grow-rate = 0 MiB/s"),
	 "FILE:2: grow-rate is '0 MiB/s': from 1 MiB/s to 4194303 GiB/s, or none"},
	{IN_RX("grow-rate = 4194304 GiB/s"),
	 "FILE:2: grow-rate is '4194304 GiB/s': from 1 MiB/s to 4194303 GiB/s, or none"},
	{IN_RX("shared = yess"),
	 "FILE:2: shared is 'yess', and must be yes or no: did you mean 'yes'?"},
	{IN_RX("shared = Yes"),
	 "FILE:2: shared is 'Yes', and must be yes or no: did you mean 'yes'?"},
	{IN_RX("shared = maybe"),
	 "FILE:2: shared is 'maybe', and must be yes or no: the nearest is 'false'"},
	{IN_RX("name = 12345678901234567890123456789012"),
	 "FILE:2: name is '12345678901234567890123456789012', which is too long: at most 31 "
	 "characters"},
	{IN_RX("name = a\033b"), "FILE:2: name is 'a?b': it has a control character in it"},
	{IN_RX("group = 1234567890123456789012345678901234567890123456789012345678901234"),
	 "FILE:2: group is '1234567890123456789012345678901234567890...', which is too long: at "
	 "most 63 characters"},
};

Test(config_mistakes, mistakes_are_refused_word_for_word)
{
	for (unsigned i = 0; i < COUNT(bad); i++) {
		write_text(bad[i].text);
		refused(bad[i].text, bad[i].sentence);
	}
	errno = 0;
	cr_assert_null(lab_config_read(path, NULL));
	cr_assert_eq(errno, EINVAL);
	cr_assert_str_eq(lab_error_text(),
			 "lab_config_read() needs the name of a pool; NULL was passed");
	lab_config_free(NULL);
}
