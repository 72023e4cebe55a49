//! All tests of the crate but those with an allocator of their own, in one program: the generic code that they
//! share is compiled once.

mod bad_input_has_an_answer;
mod files_survive_a_round_trip;
mod live_index;
mod live_survives;
mod live_threads;
mod quantiser_edges;
mod quantiser_estimates;
mod quantiser_product;
mod quantiser_scans;
mod quantiser_support;
mod saves_survive_a_crash;
mod searches_find_what_is_near;
mod sets;
mod ways_to_search_agree;
