/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * The reserve (lib/labyrinth/reserve.c): its places, each a magazine of one; who takes from it
 * (LAB_GFP_ATOMIC), who must not (LAB_GFP_NOWAIT); frees of an lcore that is pressed; and the word
 * `pressed` between its owner and who presses. One lcore may be killed after any of its steps, and is
 * reaped (share/reap.c). The other one goes on, and does the same.
 *
 * The depot is one step here: how its magazines move is cache.pml's, and so is what counts them. Loose
 * frames only. Memory is sequentially consistent.
 *
 * Always: no frame is owned twice, and a NOWAIT caller gets none that is in the reserve.
 * In the end, when nobody has another step: each frame is in one place, listed once, as its byte says;
 * and while the reserve lacks frames, each lcore that lives is
 *   - pressed; or
 *   - not pressed, and its word says that, so that the next one who comes to the reserve presses it.
 * Then the one that is left makes an ATOMIC call that comes to the reserve, whether it gets something
 * there or not, and frees all that it has: the reserve is full, or that lcore's cache is empty.
 *
 *   -DBUG    the byte says "depot" before the place lists the frame
 *   -DBUG2   the refill of a NOWAIT caller goes on to the reserve
 *   -DBUG3   the reaper leaves the bits that say "pressed": who was killed between the bit and the
 *            pressing leaves an lcore that nobody presses any more
 *   -DBUG4   who finds the reserve empty presses nobody: a press that was lost with the last frame is
 *            not said again
 *   -DFOREVER  the first one's calls without end, for the search for cycles in which none ends
 */
#ifndef CALLS
#define CALLS 2 /* of the victim */
#endif
#ifndef CALLS_OTHER
#define CALLS_OTHER 1
#endif
#ifdef FOREVER
#define FRAMES 2
#define PLACES 1
#else
#define FRAMES 3
#define PLACES 2 /* the last frames begin in the reserve, the others in the depot */
#endif
#define VICTIM 0
#define OTHER  1
#define NONE   255

/* A frame's byte. */
#define DEPOT 0
#define FREED 1 /* + lcore */
#define HELD  3 /* + lcore */

/* A place's word. */
#define EMPTY 0
#define LOOSE 1
#define HAND  2 /* + lcore */

byte state[FRAMES];
bool in_depot[FRAMES];
byte where[PLACES], count[PLACES], item[PLACES];
byte loose[2], foreign[2], objs[2 * FRAMES];
bool bit_of[2];  /* shared->pressed */
bool pressed[2]; /* of the cache: pressed, and that loose_max is 0 */
bool slow[2];
bool dead, ended, reaped;

/* To say what is true of the run, not of the library. */
bool kept[FRAMES]; /* it is the reserve's: until an ATOMIC caller gets it, or it is reaped */
bool quiet, checked, filled;

/* What is over is forgotten, here and in lists, so that it makes no states of its own. */
#define FORGET m = 0; f = 0; k = 0; won = false; seen = false; hit = false; took = false

#define OBJ(l, i) objs[(l) * FRAMES + (i)]

/* After any step a mortal process may be gone. */
#define OR_DIE                   \
	if                       \
	:: mortal -> goto killed \
	:: true                  \
	fi

/* Any place that is there: the compare-and-swap of its word. */
inline pop(l, set)
{
	atomic {
		m = 0;
		do
		:: m == PLACES -> break
		:: m < PLACES ->
			if
			:: where[m] == set -> break
			:: else -> m++
			fi
		od;
		if
		:: m < PLACES -> where[m] = HAND + l
		:: else
		fi;
		OR_DIE
	}
}

/* One that was pressed, and then let go before this is over, stays for the next. */
inline press_all()
{
	k = 0;
	do
	:: k == 2 -> break
	:: k < 2 ->
		atomic {
			won = !bit_of[k];
			bit_of[k] = true;
			OR_DIE
		}
		if
		:: won ->
			atomic { pressed[k] = true; OR_DIE }
			atomic { slow[k] = true; OR_DIE }
		:: else
		fi;
		k++
	od
}

/* lab_cache_set_blocks() */
inline set_blocks(l)
{
	atomic { seen = pressed[l]; OR_DIE }
	atomic {
		slow[l] = seen;
		OR_DIE
	}
}

inline let_go(l)
{
	atomic { pressed[l] = false; OR_DIE }
	set_blocks(l);
	atomic { bit_of[l] = false; OR_DIE }
}

/* put(): the newest frame of the cache into a place in hand. */
inline put(l)
{
	f = OBJ(l, loose[l] - 1);
	assert(state[f] == FREED + l || (state[f] == DEPOT && loose[l] <= foreign[l]));
#ifdef BUG
	atomic { state[f] = DEPOT; OR_DIE }
#endif
	atomic { item[m] = f; OR_DIE }
	atomic { count[m] = 1; OR_DIE }
	atomic { state[f] = DEPOT; OR_DIE }
	atomic { foreign[l] = (foreign[l] > loose[l] - 1 -> loose[l] - 1 : foreign[l]); OR_DIE }
	atomic { loose[l] = loose[l] - 1; OBJ(l, loose[l]) = 0; OR_DIE }
	atomic { kept[f] = true; where[m] = LOOSE; OR_DIE }
}

inline top_up(l)
{
	do
	:: loose[l] == 0 -> break
	:: loose[l] > 0 ->
		pop(l, EMPTY);
		if
		:: m == PLACES -> let_go(l); break
		:: m < PLACES -> put(l)
		fi
	od
}

/* Some frame of the depot, which keeps its byte. A mortal one may leave it there or take it. */
inline refill(l)
{
	atomic {
		f = 0;
		do
		:: f == FRAMES -> break
		:: f < FRAMES ->
			if
			:: in_depot[f] -> break
			:: else -> f++
			fi
		od;
		if
		:: f < FRAMES ->
			in_depot[f] = false;
			OBJ(l, loose[l]) = f;
			foreign[l] = loose[l] + 1;
			loose[l] = loose[l] + 1
		:: else
		fi;
		OR_DIE
	}
}

/* lab_reserve_refill() */
inline refill_from_reserve(l)
{
	pop(l, LOOSE);
	if
	:: m < PLACES ->
		assert(count[m] == 1);
		f = item[m];
		atomic { OBJ(l, loose[l]) = f; OR_DIE }
		atomic { foreign[l] = loose[l] + 1; OR_DIE }
		atomic { loose[l] = loose[l] + 1; OR_DIE }
		atomic { count[m] = 0; item[m] = 0; OR_DIE }
		atomic { where[m] = EMPTY; OR_DIE }
		took = true;
		press_all()
	:: else
#ifndef BUG4
		took = true;
		press_all()
#else
		took = true
#endif
	fi
}

inline take_cached(l)
{
	f = OBJ(l, loose[l] - 1);
	atomic {
		assert(state[f] == FREED + l || (state[f] == DEPOT && loose[l] <= foreign[l]));
		assert(atomic_ || !kept[f]);
		kept[f] = false;
		state[f] = HELD + l;
		OR_DIE
	}
	atomic { loose[l] = loose[l] - 1; OBJ(l, loose[l]) = 0; OR_DIE }
}

/* lab_alloc(): the cache; the depot, where who must stay out of the reserve gives it first what it
 * lacks; then the reserve, for who may. */
inline allocate(l)
{
	f = NONE;
	do
	:: loose[l] > 0 || f == FRAMES -> break
	:: loose[l] == 0 && f != FRAMES ->
		refill(l);
		if
		:: f < FRAMES && pressed[l] && !atomic_ -> top_up(l); f = NONE
		:: else
		fi
	od;
#ifdef BUG2
	if
	:: loose[l] == 0 -> refill_from_reserve(l)
	:: else
	fi;
#else
	if
	:: loose[l] == 0 && atomic_ -> f = NONE; refill_from_reserve(l)
	:: else
	fi;
#endif
	if
	:: loose[l] > 0 -> take_cached(l)
	:: else
	fi
}

/* lab_free() of a frame that it holds, if any: a hit, or the slow way. */
inline release(l)
{
	f = 0;
	do
	:: f == FRAMES || state[f] == HELD + l -> break
	:: f < FRAMES && state[f] != HELD + l -> f++
	od;
	if
	:: f < FRAMES ->
		atomic { hit = !slow[l]; OR_DIE }
		atomic { state[f] = FREED + l; OR_DIE }
		if
		:: loose[l] < foreign[l] -> atomic { foreign[l] = loose[l]; OR_DIE }
		:: else
		fi;
		atomic { OBJ(l, loose[l]) = f; OR_DIE }
		atomic { loose[l] = loose[l] + 1; OR_DIE }
		if
		:: !hit && pressed[l] -> top_up(l)
		:: else
		fi;
		f = NONE
	:: else
	fi
}

/* What an lcore does next: any call; then frees, until it holds nothing; then, when all others have
 * ended, ATOMIC calls until one has come to the reserve, or there is nothing; then frees. */
mtype = { any, frees, takes, last_frees, nothing };

proctype lcore(byte l; bool mortal; byte most)
{
	byte m, f, k, calls;
	bool won, seen, hit, atomic_, took;
	mtype phase = any;

	do
	:: phase == any && calls < most ->
#ifdef FOREVER
		/* The victim goes on without end. */
		calls = (mortal -> 0 : calls + 1);
#else
		calls++;
#endif
		if
		:: atomic_ = true; allocate(l); atomic_ = false
		:: allocate(l)
		:: release(l)
#ifndef FOREVER
		/* A burst of a block. */
		:: set_blocks(l)
#endif
		fi;
progress:
		d_step { FORGET }
#ifndef FOREVER
	:: phase == any ->
		phase = frees
#endif
	:: phase == frees ->
		release(l);
		if
		:: f == FRAMES && mortal -> break
		:: f == FRAMES && !mortal -> phase = takes; ended = true; checked
		:: else
		fi
	:: phase == takes ->
		took = false;
		atomic_ = true;
		allocate(l);
		atomic_ = false;
		if
		:: took -> phase = last_frees
		:: !took && f == NONE -> quiet = true; phase = last_frees
		:: else
		fi
	:: phase == last_frees ->
		release(l);
		if
		:: f == FRAMES -> filled = true; break
		:: else
		fi
	od;
killed:
	if
	:: mortal -> dead = true
	:: else
	fi
}

/* What the dead lcore had: a byte that names it, then no list, then the depot. */
proctype reaper()
{
	byte m, f, k;
	bool seen, mortal = false;

	dead;
	k = 0;
	do
	:: k == foreign[VICTIM] || k >= loose[VICTIM] -> break
	:: k < foreign[VICTIM] && k < loose[VICTIM] ->
		atomic {
			f = OBJ(VICTIM, k);
			if
			:: state[f] == DEPOT -> state[f] = FREED + VICTIM
			:: else
			fi
		}
		k++
	od;
	m = 0;
	do
	:: m == PLACES -> break
	:: m < PLACES ->
		if
		:: where[m] == HAND + VICTIM ->
			atomic {
				f = item[m];
				if
				:: count[m] == 1 && state[f] == DEPOT -> state[f] = FREED + VICTIM
				:: else
				fi
			}
			atomic { count[m] = 0; item[m] = 0 }
			where[m] = EMPTY
		:: else
		fi;
		m++
	od;
	atomic { loose[VICTIM] = 0; OBJ(VICTIM, 0) = 0; OBJ(VICTIM, 1) = 0 }
	foreign[VICTIM] = 0;
	let_go(VICTIM);
#ifndef BUG3
	bit_of[VICTIM] = false;
	bit_of[OTHER] = false;
#endif
	f = 0;
	do
	:: f == FRAMES -> break
	:: f < FRAMES ->
		atomic {
			if
			:: state[f] == FREED + VICTIM || state[f] == HELD + VICTIM ->
				state[f] = DEPOT;
				kept[f] = false;
				in_depot[f] = true
			:: else
			fi
		}
		f++
	od;
	reaped = true;
	if
	:: false -> goto killed
	:: true
	fi;
killed:
	skip
}

/* It is in one place. */
inline look_for(frame)
{
	n = 0;
	if
	:: in_depot[frame] -> assert(state[frame] == DEPOT); n++
	:: else
	fi;
	m = 0;
	do
	:: m == PLACES -> break
	:: m < PLACES ->
		assert((where[m] == LOOSE && count[m] == 1) || (where[m] == EMPTY && count[m] == 0));
		if
		:: where[m] == LOOSE && item[m] == frame -> assert(state[frame] == DEPOT); n++
		:: else
		fi;
		m++
	od;
	i = 0;
	do
	:: i == loose[OTHER] -> break
	:: i < loose[OTHER] ->
		if
		:: OBJ(OTHER, i) == frame ->
			assert(state[frame] == FREED + OTHER ||
			       (state[frame] == DEPOT && i < foreign[OTHER]));
			n++
		:: else
		fi;
		i++
	od;
	assert(state[frame] < HELD);
	assert(n == 1)
}

#define IS_FULL (lacking == 0)

inline look()
{
	f = 0;
	do
	:: f == FRAMES -> break
	:: f < FRAMES -> look_for(f); f++
	od;
	lacking = 0;
	m = 0;
	do
	:: m == PLACES -> break
	:: m < PLACES ->
		lacking = lacking + (where[m] == EMPTY -> 1 : 0);
		m++
	od
}

init
{
	byte m, i, n, f, lacking;

	atomic {
		do
		:: f == FRAMES -> break
		:: f < FRAMES - PLACES -> in_depot[f] = true; f++
		:: f >= FRAMES - PLACES && f < FRAMES ->
			item[m] = f;
			count[m] = 1;
			where[m] = LOOSE;
			kept[f] = true;
			m++;
			f++
		od;
		f = 0;
		m = 0;
		run lcore(VICTIM, true, CALLS);
		run lcore(OTHER, false, CALLS_OTHER);
		run reaper()
	}
	reaped && ended;
	d_step {
		look();
		assert(quiet || pressed[OTHER] || !bit_of[OTHER]);
		checked = true
	}
	filled;
	d_step {
		look();
		assert(quiet || IS_FULL || loose[OTHER] == 0)
	}
}
