// Package sim is a street of cars: deterministic drivers on a small road
// graph, who report through the public door as any device does.
//
// What a car says is a pure function of the seed, the street's beginning and
// the time, so nothing needs to be stored: after a restart, or after a kill,
// a car goes on where it would have been, its odometer never falls, and a
// report that is sent twice has the same id and the same bytes.
//
// Each car repeats a tour of [Cycle], which ends where it began, with the
// tank or the battery as full as at the start. The tour is driven once when
// the street is made; its distance and energy are what a later repetition
// adds. Within it the motion is stepped by [step] with a driver who obeys
// speed limits, slows for bends and stops at red lights; energy follows from
// a road-load model (rolling, air, slope and inertia).
//
// Cars do not see each other: there is no car-following and no queue at a light.
package sim
