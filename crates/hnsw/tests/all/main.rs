//! All tests of the crate but those with an allocator of their own, in one program: the generic code that they
//! share is compiled once.

mod bad_input_has_an_answer;
mod builds_are_deterministic;
mod common;
mod files_survive_a_round_trip;
mod filter;
mod live_answers_as_a_model_does;
mod live_index;
mod live_searches;
mod results_are_sound;
mod search;
mod search_by_any_distance;
mod searches_find_what_is_near;
mod sets;
