-- The stock and the picking list, as an ERP would hold them.
CREATE TABLE stock (sku TEXT PRIMARY KEY, on_hand INTEGER NOT NULL);
CREATE TABLE picks (order_id TEXT PRIMARY KEY, route TEXT NOT NULL, country TEXT NOT NULL);
INSERT INTO stock (sku, on_hand) VALUES
    ('TEA-GREEN', 10000), ('TEA-BLACK', 10000), ('TEA-MINT', 10000), ('CUP-WHITE', 10000), ('POT-IRON', 10000);
