-- Adds pages that no page links to: sitemaps. A repeated request changes nothing.
-- ARGV: depth, the page that names them, a purpose and a URL each...
add(3, ARGV[1], ARGV[2])
return 'added'
