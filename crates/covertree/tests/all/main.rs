//! All tests of the crate but those with an allocator of their own, in one program: the generic code that they
//! share is compiled once.

mod all_points_by_leaves;
mod bad_input_is_refused;
mod changed_trees_equal_brute_force;
mod common;
mod files_of_items;
mod files_survive_and_damage_is_refused;
mod items_equal_brute_force;
mod ordered_neighbors;
mod residual_neighbors_equal_brute_force;
mod vectors_equal_brute_force;
