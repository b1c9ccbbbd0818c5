/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * A bundle whose owner is dead is dissolved (dissolve() in lib/labyrinth/share/reap.c), while a
 * survivor makes bundles of frames that have left it (lib/labyrinth/bundle.c). The reaper may be
 * killed after any step and begin anew, once.
 *
 * A frame is in the bundle if its byte says "in a bundle" and home[] names this one. Neither can be
 * stepped together with the other. A frame that is in the dead one's bundle stays there, but for the
 * reaper; one that has left it may be bundled anew, and then its home is stored before its byte, and
 * is another for as long as the dead one's descriptor is not put back.
 *
 * In the end each frame is in one place: in the depot, or the survivor's. A bundle of the survivor's
 * has all of its frames. -DBUG: home[] is read, and then the byte. (The other way round home[] may be an
 * old one when it is read, but if the byte was "in a bundle" before, then home[] named that bundle.)
 */
#define FRAMES 2

#define DEPOT    0 /* a frame's byte */
#define DEAD     1 /* free, the dead one's */
#define SURVIVOR 2 /* held */
#define BUNDLED  3

#define OLD 0 /* the dead one's descriptor: of both frames, once */
#define NEW 1
#define DESCRIPTORS 2

byte state[FRAMES], home[FRAMES];
bool in_use[DESCRIPTORS];   /* the descriptor's word */
bool survivors[DESCRIPTORS]; /* its state: it is the survivor's; else it is the dead one's */
byte listed[FRAMES];        /* in the depot: to check, no memory of the program's */
byte crashes;
bool reaped, ended;

#define OR_DIE                                            \
	if                                                \
	:: crashes == 0 -> crashes = 1; goto killed       \
	:: true                                           \
	fi

inline to_depot(f, from)
{
	atomic {
		if
		:: state[f] == from -> state[f] = DEPOT; assert(listed[f] == 0); listed[f]++
		:: else
		fi
	}
}

/* The compare-and-swap. */
inline name(f)
{
	atomic {
		if
		:: state[f] == BUNDLED -> state[f] = DEAD
		:: else
		fi;
		OR_DIE
	}
}

inline dissolve(b)
{
	f = 0;
	do
	:: f == FRAMES -> break
	:: f < FRAMES ->
#ifdef BUG
		atomic { here = (home[f] == b); OR_DIE }
		if
		:: here -> name(f)
		:: else
		fi;
#else
		atomic { here = (state[f] == BUNDLED); OR_DIE }
		atomic { here = (here && home[f] == b); OR_DIE }
		if
		:: here -> name(f)
		:: else
		fi;
#endif
		f++
	od;
	atomic { in_use[b] = false; OR_DIE }
}

proctype reaper()
{
	byte f, b;
	bool here;

begin:
	b = 0;
	do
	:: b == DESCRIPTORS -> break
	:: b < DESCRIPTORS ->
		if
		:: in_use[b] && !survivors[b] -> dissolve(b)
		:: else
		fi;
		b++
	od;
	/* The second pass. */
	f = 0;
	do
	:: f == FRAMES -> break
	:: f < FRAMES -> to_depot(f, DEAD); f++
	od;
	reaped = true;
	goto out;
killed:
	goto begin;
out:
	skip
}

/* One frame is a bundle here: what matters is its byte, its home and its descriptor. */
proctype survivor()
{
	byte f, b, rounds;

	do
	:: rounds == 3 -> break
	:: rounds < 3 ->
		rounds++;
		/* Allocated. */
		atomic {
			f = 0;
			do
			:: f == FRAMES || listed[f] == 1 -> break
			:: else -> f++
			od;
			if
			:: f < FRAMES -> listed[f] = 0; state[f] = SURVIVOR
			:: f == FRAMES -> skip
			fi
		}
		if
		:: f < FRAMES ->
			/* lab_bundle_form(), with a descriptor that nobody has. */
			atomic {
				b = 0;
				do
				:: b == DESCRIPTORS || !in_use[b] -> break
				:: else -> b++
				od;
				if
				:: b < DESCRIPTORS -> in_use[b] = true; survivors[b] = true
				:: else -> skip
				fi
			}
			if
			:: b < DESCRIPTORS ->
				home[f] = b;
				state[f] = BUNDLED;
				/* It stays so, or the frame leaves it and goes back. */
				if
				:: goto done
				:: true ->
					atomic { assert(state[f] == BUNDLED && home[f] == b); state[f] = SURVIVOR }
					in_use[b] = false;
					survivors[b] = false;
					to_depot(f, SURVIVOR)
				fi
			:: else -> to_depot(f, SURVIVOR)
			fi
		:: else
		fi
	od;
done:
	ended = true
}

init
{
	byte f;

	atomic {
		/* Frame 0 is in the bundle of the dead. Frame 1 has left it, and is in the depot. */
		in_use[OLD] = true;
		state[0] = BUNDLED;
		home[0] = OLD;
		state[1] = DEPOT;
		home[1] = OLD;
		listed[1] = 1;
		run reaper();
		run survivor()
	}
	reaped && ended;
	do
	:: f == FRAMES -> break
	:: f < FRAMES ->
		assert((listed[f] == 1 && state[f] == DEPOT) ||
		       (listed[f] == 0 && state[f] == SURVIVOR) ||
		       (listed[f] == 0 && state[f] == BUNDLED && in_use[home[f]] && survivors[home[f]]));
		f++
	od
}
