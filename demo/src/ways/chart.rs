//! The rows as a picture: a panel of bars for time, and one for processor time.

use super::measure::Row;
use super::way::Way;
use crate::step::words::count;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;
use std::path::Path;
use std::time::Duration;

const WIDTH: u32 = 960;
const HEIGHT: u32 = 720;
const FONT: &str = "sans-serif";
/// A colour for each number of pages, distinguishable for colour-blind readers too (Okabe and Ito, 2008).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
];

/// Writes the picture.
pub fn write(rows: &[Row], delay: Duration, path: &Path) -> Result<(), String> {
    draw(rows, delay, path).map_err(|error| error.to_string())
}

fn draw(rows: &[Row], delay: Duration, path: &Path) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(path, (WIDTH, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!("Six ways to download; the server takes {} for a page", humantime::format_duration(delay));
    let (upper, lower) = root.titled(&title, (FONT, 24))?.split_vertically(HEIGHT / 2 - 16);
    panel(&upper, rows, "time, seconds", |row| row.measured.seconds)?;
    panel(&lower, rows, "processor time, seconds", |row| row.measured.cpu_seconds)?;
    root.present()?;
    Ok(())
}

/// A group of bars for each way, a bar for each number of pages, on a logarithmic scale.
fn panel<DB: DrawingBackend<ErrorType: 'static>>(
    area: &DrawingArea<DB, Shift>,
    rows: &[Row],
    title: &str,
    value: impl Fn(&Row) -> f64,
) -> Result<(), Box<dyn Error>> {
    let (mut ways, mut pages): (Vec<Way>, Vec<usize>) = Default::default();
    for row in rows {
        if !ways.contains(&row.way) {
            ways.push(row.way);
        }
        if !pages.contains(&row.pages) {
            pages.push(row.pages);
        }
    }
    let values = || rows.iter().map(|row| value(row).max(1e-4));
    let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
    let bottom = 10f64.powf((least / 2.0).log10().floor());
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..ways.len() as f64, (bottom..most * 3.0).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(0)
        .y_desc(title)
        .axis_desc_style((FONT, 16))
        .label_style((FONT, 14))
        .light_line_style(TRANSPARENT)
        .draw()?;
    let width = 0.8 / pages.len() as f64;
    for row in rows {
        let group = ways.iter().position(|way| *way == row.way).unwrap_or(0) as f64;
        let bar = pages.iter().position(|pages| *pages == row.pages).unwrap_or(0);
        let (from, height) = (group + 0.1 + width * bar as f64, value(row).max(1e-4));
        let colour = COLOURS[bar % COLOURS.len()];
        let rectangle = Rectangle::new([(from, bottom), (from + width * 0.94, height)], colour.filled());
        chart.draw_series([rectangle])?;
        let centre = TextStyle::from((FONT, 12)).pos(Pos::new(HPos::Center, VPos::Bottom));
        let label = if height < 0.1 { format!("{height:.3}") } else { format!("{height:.2}") };
        chart.draw_series([Text::new(label, (from + width * 0.47, height * 1.08), centre)])?;
    }
    for (n, way) in ways.iter().enumerate() {
        let (x, _) = chart.backend_coord(&(n as f64 + 0.5, bottom));
        let y = area.get_base_pixel().1 + area.dim_in_pixel().1 as i32 - 30;
        let centre = TextStyle::from((FONT, 16)).pos(Pos::new(HPos::Center, VPos::Top));
        area.draw_text(way.name(), &centre, (x - area.get_base_pixel().0, y - area.get_base_pixel().1))?;
    }
    for (n, pages) in pages.iter().enumerate() {
        let (x, y) = (area.dim_in_pixel().0 as i32 - 110, 16 + 18 * n as i32);
        area.draw(&Rectangle::new([(x, y), (x + 12, y + 12)], COLOURS[n % COLOURS.len()].filled()))?;
        area.draw_text(&count(*pages, "page"), &TextStyle::from((FONT, 14)), (x + 18, y))?;
    }
    Ok(())
}
