/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The depot's push and pop (lib/labyrinth/depot.c): lcores pop magazines of one set and push them
 * back. Any of them may be killed after any step; then a survivor's keeper takes what was in its
 * hands and mends the maps, beside those that live. It may be killed, too, once, and the next begins
 * anew.
 *
 * A step is one load, store or read-modify-write of shared memory. Memory is sequentially
 * consistent here: what the orderings have to be is argued in the code. One magazine a word of the
 * map, so that each word has its bit in the summary.
 *
 * Checked at each step: a magazine has one owner. In the end: each magazine is in the set, and the
 * maps lead to it, so that who looks next finds it. With -DFOREVER, for cycles without progress:
 * whatever the others do, and if they are killed, some call always ends. -DBUG: tidy() does not look
 * again. -DBUG2: who takes what was in the hands of the dead does not mend the maps.
 */
#ifndef LCORES
#define LCORES 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#define MAGS  2
#define CALLS 2
#define SET   0
#define HAND  1 /* + lcore */
#define NONE  99

byte where[MAGS];
bit word[MAGS];
byte summary;
byte owner[MAGS]; /* who may use it: to check, no memory of the program's */
byte deaths, gone, ended, mended;
bool is_dead[LCORES];
bool crashed; /* a reaper was */

/* After any step a mortal process may be gone. */
#define OR_DIE                                                 \
	if                                                     \
	:: mortal && deaths < DEATHS -> deaths++; goto killed  \
	:: again && !crashed -> crashed = true; goto killed    \
	:: true                                                \
	fi

inline lead_to(m)
{
	atomic { word[m] = 1; OR_DIE }
	atomic { seen = (summary >> m) & 1; OR_DIE }
	if
	:: !seen -> atomic { summary = summary | (1 << m); OR_DIE }
	:: else
	fi
}

inline push(m)
{
	atomic { owner[m] = 0; where[m] = SET; OR_DIE }
	lead_to(m)
}

inline tidy(m)
{
	atomic { summary = summary & (255 - (1 << m)); OR_DIE }
#ifndef BUG
	atomic { seen = word[m]; OR_DIE }
	if
	:: seen -> atomic { summary = summary | (1 << m); OR_DIE }
	:: else
	fi
#endif
}

/* The compare-and-swap of the magazine's word. */
inline take(me, m)
{
	atomic {
		if
		:: where[m] == SET ->
			where[m] = HAND + me;
			assert(owner[m] == 0);
			owner[m] = me + 1;
			got = m
		:: else
		fi;
		OR_DIE
	}
	if
	:: got == m -> atomic { word[m] = 0; OR_DIE }
	:: else
	fi
}

inline pop(me)
{
	got = NONE;
	atomic { some = summary; OR_DIE }
	at = 0;
	do
	:: at == MAGS || got != NONE -> break
	:: else ->
		if
		:: (some >> at) & 1 ->
			atomic { seen = word[at]; OR_DIE }
			if
			:: seen -> take(me, at)
			:: else -> tidy(at)
			fi
		:: else
		fi;
		at++
	od
}

proctype lcore(byte me)
{
	byte got, at, some, seen, calls;
	bool mortal = true, again = false;

	do
#ifdef FOREVER
	:: true ->
#else
	:: calls == CALLS -> break
	:: calls < CALLS -> calls++;
#endif
		pop(me);
progress_popped:
		if
		:: got != NONE -> push(got)
		:: else
		fi;
progress_pushed:
		skip
	od;
	ended++;
	goto out;
killed:
	atomic { is_dead[me] = true; gone++; ended++ }
out:
	skip
}

/* Of the survivors. One may be killed after any step; the next begins with the same lcore, anew. */
proctype keeper()
{
	byte m, l, seen;
	bool mortal = false, again = true;

	do
	:: mended < gone ->
		/* The kernel gives the dead one's lock to it. */
		atomic {
			l = 0;
			do
			:: l == LCORES - 1 -> break
			:: l < LCORES - 1 ->
				if
				:: is_dead[l] -> break
				:: else -> l++
				fi
			od;
			is_dead[l] -> is_dead[l] = false
		}
anew:
		m = 0;
		do
		:: m == MAGS -> break
		:: m < MAGS ->
			if
			:: where[m] == HAND + l ->
				atomic { word[m] = 0; OR_DIE } /* lab_depot_retire_hints() */
				push(m)
			:: else
			fi;
			m++
		od;
#ifndef BUG2
		/* lab_depot_mend() */
		m = 0;
		do
		:: m == MAGS -> break
		:: m < MAGS ->
			seen = where[m];
			if
			:: seen == SET -> lead_to(m)
			:: else
			fi;
			m++
		od;
#endif
		mended++
	:: ended == LCORES && mended == gone -> break
	od;
	goto out;
killed:
	goto anew;
out:
	skip
}

init
{
	byte i;

	atomic {
		do
		:: i == MAGS -> break
		:: i < MAGS -> word[i] = 1; summary = summary | (1 << i); i++
		od;
		i = 0;
		do
		:: i == LCORES -> break
		:: i < LCORES -> run lcore(i); i++
		od;
		run keeper()
	}
#ifndef FOREVER
	/* All have ended, or are dead and mended. */
	(ended == LCORES && mended == gone);
	i = 0;
	do
	:: i == MAGS -> break
	:: i < MAGS ->
		assert(where[i] == SET && word[i] && ((summary >> i) & 1));
		i++
	od
#endif
}
