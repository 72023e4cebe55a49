//! The edges that nobody may prune: a tree that leads from the first seed to every row.
//!
//! As long as every row but the root has a parent whose list holds it, and following parents ends at the root,
//! everything can be reached. A new row gets a parent that was there before it; a removed row keeps its place as a
//! waypoint until the next compaction, which draws a new tree. So no operation has to look for rows that it cut off.

use layouts::Blocks;

use crate::error::Error;
use crate::live::state::NONE;

/// Who leads to every row, and how many rows each leads to.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    parent: Vec<u32>,
    children: Vec<u16>,
}

impl Tree {
    /// Breadth first from `root`, over a graph in which everything can be reached.
    pub(crate) fn of(graph: &Blocks<u32>, root: Option<u32>) -> Result<Self, Error> {
        let rows = graph.len();
        let mut tree = Self { parent: vec![NONE; rows], children: vec![0; rows] };
        let Some(root) = root else { return Ok(tree) };
        let mut met = vec![false; rows];
        met[root as usize] = true;
        let mut reached = vec![root];
        // A row all of whose edges are spoken for could not take up better ones: half of them, if that will do.
        for limit in [graph.width() / 2, graph.width()] {
            let mut at = 0;
            while let Some(&row) = reached.get(at) {
                at += 1;
                for &next in graph.row(row as usize).unwrap_or_default() {
                    if usize::from(tree.children[row as usize]) >= limit {
                        break;
                    }
                    if next != NONE && !met[next as usize] {
                        met[next as usize] = true;
                        tree.parent[next as usize] = row;
                        tree.children[row as usize] += 1;
                        reached.push(next);
                    }
                }
            }
        }
        if reached.len() < rows {
            return Err(Error::Damaged { section: "graph", reason: "some rows cannot be reached" });
        }
        Ok(tree)
    }

    /// Room for `more` rows.
    pub(crate) fn reserve(&mut self, more: usize) -> Result<(), Error> {
        super::reserve(&mut self.parent, more)?;
        super::reserve(&mut self.children, more)
    }

    /// Adds the next row, under `parent`.
    pub(crate) fn push(&mut self, parent: Option<u32>) {
        self.parent.push(parent.unwrap_or(NONE));
        self.children.push(0);
        if let Some(children) = parent.and_then(|parent| self.children.get_mut(parent as usize)) {
            *children += 1;
        }
    }

    /// Takes away all rows from `rows` on.
    pub(crate) fn truncate(&mut self, rows: usize) {
        while self.parent.len() > rows {
            let parent = self.parent.pop().unwrap_or(NONE);
            self.children.pop();
            if let Some(children) = self.children.get_mut(parent as usize) {
                *children -= 1;
            }
        }
    }

    /// Whether `row` can be the parent of one more in a graph of this degree.
    pub(crate) fn has_room(&self, row: u32, degree: usize) -> bool {
        self.children.get(row as usize).is_some_and(|&children| usize::from(children) < degree / 2)
    }

    /// Whether the edge from `row` to `next` must stay.
    pub(crate) fn holds(&self, row: u32, next: u32) -> bool {
        self.parent.get(next as usize) == Some(&row)
    }
}
