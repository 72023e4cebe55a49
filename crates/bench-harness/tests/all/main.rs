//! All tests of the crate but those with an allocator of their own, in one program: the generic code that they
//! share is compiled once.

mod batches_by_panels_equal_single_queries;
mod cases_of_the_hnsw_suite;
mod exact_scan_equals_the_scalar_truth;
mod exact_scan_refuses_bad_input;
mod files_survive_a_round_trip;
mod generated_sets_are_the_same_everywhere;
mod peers_take_turns;
mod recall_counts_what_was_found;
mod sets_open_by_name;
mod the_gate_measures_making_too;
mod the_report_is_one_well_formed_page;
mod truth_is_exact;
